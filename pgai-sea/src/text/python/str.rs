//! Python's `str()` of what psycopg makes of a column, from PostgreSQL's text of it.
//!
//! Types that psycopg loads as text (text, enums, xml, ranges of unregistered types, ..) and those whose Python text is
//! PostgreSQL's (integers, uuid, inet, date) are given as they are. Known differences: `timestamptz` is in the
//! session's time zone, UTC here; arrays of dates and the like, ranges and composites are PostgreSQL's text; dates that
//! Python cannot hold (BC, infinity), on which pgai's worker fails, are PostgreSQL's text too.

use super::{json, number, repr, time};

/// What a column is to psycopg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PythonType {
    Bool,
    Bytes,
    /// date, time, timestamp and those with a time zone
    DateTime,
    Decimal,
    Float,
    Int,
    Interval,
    Json,
    List(Box<PythonType>),
    Str,
    Uuid,
    /// Anything that psycopg has a loader for and that prints as in PostgreSQL, or that is not imitated.
    Other,
}

impl PythonType {
    /// By the name of a base type (`pg_type.typname`, domains resolved); an array's begins with an underscore.
    pub(crate) fn of(typname: &str) -> Self {
        match typname {
            "bool" => Self::Bool,
            "bytea" => Self::Bytes,
            "time" | "timetz" | "timestamp" | "timestamptz" => Self::DateTime,
            "numeric" => Self::Decimal,
            "float4" | "float8" => Self::Float,
            "int2" | "int4" | "int8" | "oid" => Self::Int,
            "interval" => Self::Interval,
            "json" | "jsonb" => Self::Json,
            "text" | "varchar" | "bpchar" | "name" | "char" => Self::Str,
            "uuid" => Self::Uuid,
            _ => match typname.strip_prefix('_').map(Self::of) {
                Some(Self::Other | Self::DateTime | Self::Interval | Self::List(_)) | None => Self::Other,
                Some(element) => Self::List(Box::new(element)),
            },
        }
    }

    /// `str(value)`; `None` is NULL.
    pub(crate) fn str(&self, value: Option<&str>) -> String {
        let Some(value) = value else {
            return "None".into();
        };
        match self {
            Self::Bool => boolean(value).into(),
            Self::Bytes => repr::bytes(value),
            Self::DateTime => time::date_time(value),
            Self::Decimal => number::decimal(value),
            Self::Float => number::float(value),
            Self::Interval => time::interval(value),
            Self::Json => json::str(value),
            Self::List(element) => repr::list(value, |value| element.repr(value)),
            Self::Int | Self::Str | Self::Uuid | Self::Other => value.into(),
        }
    }

    /// `repr(value)`, what a list shows of its members.
    fn repr(&self, value: Option<&str>) -> String {
        match (self, value) {
            (Self::Str, Some(value)) => repr::string(value),
            (Self::Uuid, Some(value)) => format!("UUID('{value}')"),
            (Self::Decimal, Some(value)) => format!("Decimal('{}')", number::decimal(value)),
            (Self::Json, Some(value)) => json::repr(value),
            _ => self.str(value),
        }
    }
}

fn boolean(value: &str) -> &'static str {
    if value.starts_with('t') { "True" } else { "False" }
}
