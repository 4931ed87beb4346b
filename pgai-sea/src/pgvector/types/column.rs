//! The traits that SeaORM needs of a column type, for all three types.

use std::str::FromStr;

use sea_orm::sqlx::Row as _;
use sea_orm::sqlx::postgres::{PgValueFormat, PgValueRef};
use sea_orm::sqlx::{TypeInfo as _, ValueRef as _};
use sea_orm::{ColIdx, DbErr, QueryResult, TryGetError, TryGetable};

use super::VectorError;

/// The formats in which PostgreSQL writes a type.
pub(super) trait Wire: FromStr<Err = VectorError> + ToString {
    /// Its name in SQL.
    const SQL_TYPE: &'static str;

    /// Reads the binary format. `None`: the bytes are in another format.
    fn from_binary(bytes: &[u8]) -> Option<Self>;
}

/// Takes numbers off the front of PostgreSQL's bytes, which have network byte order.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Reader<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn number(&mut self) -> Option<usize> {
        i32::from_be_bytes(self.take()?).try_into().ok()
    }
}

pub(super) fn try_get<T: Wire, I: ColIdx>(result: &QueryResult, index: I) -> Result<T, TryGetError> {
    let invalid = |error: String| DbErr::Type(format!("column {index:?}: {error}"));
    let Some(row) = result.try_as_pg_row() else {
        // another database, or a mock, has it as text
        let text = String::try_get_by(result, index)?;
        return Ok(text.parse().map_err(|error: VectorError| invalid(error.to_string()))?);
    };
    let value = row
        .try_get_raw(index.as_sqlx_postgres_index())
        .map_err(|error| DbErr::Query(sea_orm::RuntimeErr::SqlxError(error.into())))?;
    if value.is_null() {
        return Err(TryGetError::Null(format!("{index:?}")));
    }
    Ok(read(&value).map_err(invalid)?)
}

fn read<T: Wire>(value: &PgValueRef<'_>) -> Result<T, String> {
    let type_info = value.type_info();
    // with its schema, where that is not on the search path
    let name = type_info.name().rsplit('.').next().unwrap_or_default();
    let is_text = name.eq_ignore_ascii_case("text") || name.eq_ignore_ascii_case("varchar");
    if !is_text && !name.eq_ignore_ascii_case(T::SQL_TYPE) {
        return Err(format!("its type is {type_info}, not {}", T::SQL_TYPE));
    }
    if is_text || value.format() == PgValueFormat::Text {
        let text = value.as_str().map_err(|error| error.to_string())?;
        return text.parse().map_err(|error: VectorError| error.to_string());
    }
    let bytes = value.as_bytes().map_err(|error| error.to_string())?;
    T::from_binary(bytes).ok_or_else(|| format!("not what PostgreSQL sends of a {}", T::SQL_TYPE))
}

macro_rules! column_type {
    ($type:ty) => {
        impl From<$type> for ::sea_orm::Value {
            fn from(value: $type) -> Self {
                // of all values, SeaORM casts this kind alone to the type that it names: `$1::"halfvec"`
                Self::from(::sea_orm::sea_query::Enum {
                    type_name: <$type as Wire>::SQL_TYPE.into(),
                    value: value.to_string().into(),
                })
            }
        }

        impl ::sea_orm::sea_query::Nullable for $type {
            fn null() -> ::sea_orm::Value {
                ::sea_orm::Value::Enum(::sea_orm::sea_query::OptionEnum::None(
                    <$type as Wire>::SQL_TYPE.into(),
                ))
            }
        }

        impl ::sea_orm::sea_query::ValueType for $type {
            fn try_from(value: ::sea_orm::Value) -> Result<Self, ::sea_orm::sea_query::ValueTypeErr> {
                use ::sea_orm::sea_query::{OptionEnum, ValueTypeErr};

                match value {
                    ::sea_orm::Value::Enum(OptionEnum::Some(value))
                        if *value.type_name == *<$type as Wire>::SQL_TYPE =>
                    {
                        value.value.parse().map_err(|_| ValueTypeErr)
                    }
                    _ => Err(ValueTypeErr),
                }
            }

            fn type_name() -> String {
                stringify!($type).to_owned()
            }

            fn array_type() -> ::sea_orm::sea_query::ArrayType {
                ::sea_orm::sea_query::ArrayType::String
            }

            fn column_type() -> ::sea_orm::ColumnType {
                ::sea_orm::ColumnType::custom(<$type as Wire>::SQL_TYPE)
            }
        }

        impl ::sea_orm::TryGetable for $type {
            fn try_get_by<I: ::sea_orm::ColIdx>(
                result: &::sea_orm::QueryResult,
                index: I,
            ) -> Result<Self, ::sea_orm::TryGetError> {
                $crate::pgvector::types::column::try_get(result, index)
            }
        }

        impl ::sea_orm::IntoActiveValue<$type> for $type {
            fn into_active_value(self) -> ::sea_orm::ActiveValue<$type> {
                ::sea_orm::ActiveValue::Set(self)
            }
        }
    };
}
pub(super) use column_type;

/// Serializes as PostgreSQL's text format.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl ::serde::Serialize for $type {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $type {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <::std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(::serde::de::Error::custom)
            }
        }
    };
}
pub(super) use serde_as_text;
