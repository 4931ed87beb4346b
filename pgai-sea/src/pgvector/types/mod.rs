//! pgvector's other types as columns of SeaORM entities: [`HalfVec`], [`SparseVec`] and [`Bits`]. SeaORM itself knows
//! `vector`, as [`PgVector`](sea_orm::prelude::PgVector).
//!
//! A field of such a type needs one attribute: its column type with the length, with which SeaORM creates the table.
//! Inserts, updates, selects, filters and `Option<_>` need nothing more.
//!
//! ```
//! mod item {
//!     use pgai_sea::pgvector::{Bits, HalfVec, SparseVec};
//!     use sea_orm::entity::prelude::*;
//!
//!     #[sea_orm::model]
//!     #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
//!     #[sea_orm(table_name = "items")]
//!     pub struct Model {
//!         #[sea_orm(primary_key)]
//!         pub id: i32,
//!         #[sea_orm(column_type = r#"custom("halfvec(3)")"#)]
//!         pub half: HalfVec,
//!         #[sea_orm(column_type = r#"custom("sparsevec(1000)")"#, nullable)]
//!         pub sparse: Option<SparseVec>,
//!         #[sea_orm(column_type = r#"custom("bit(64)")"#, nullable)]
//!         pub fingerprint: Option<Bits>,
//!     }
//!
//!     impl ActiveModelBehavior for ActiveModel {}
//! }
//!
//! use pgai_sea::prelude::*;
//! use sea_orm::{ColumnTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QueryTrait};
//!
//! let near = item::Entity::find().order_by_asc(item::Column::Half.cosine_distance(HalfVec::from([0.5, 0.25, 1.0])));
//! assert!(near.build(DbBackend::Postgres).sql.ends_with(r#"ORDER BY "items"."half" <=> $1 ASC"#));
//! let same = item::Entity::find().filter(item::Column::Fingerprint.eq(Bits::from_bytes(&[0; 8])));
//! assert!(same.build(DbBackend::Postgres).sql.ends_with(r#"WHERE "items"."fingerprint" = $1::"bit""#));
//! ```
//!
//! SeaORM sends a value of these types as text with a cast to the type, `$1::"halfvec"`. The cast has no length: the
//! database refuses a value of another length than the column's, and does not cut it.
//!
//! In JSON a `HalfVec` is an array of numbers, like a `PgVector`. The others are strings: `"{1:0.5}/3"`, `"101"`.

mod bits;
mod column;
mod halfvec;
mod sparsevec;

pub use self::bits::Bits;
pub use self::halfvec::HalfVec;
pub use self::sparsevec::SparseVec;

/// A text or value that is no vector of the type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a {sql_type}: {problem}")]
pub struct VectorError {
    sql_type: &'static str,
    problem: String,
}

impl VectorError {
    fn new(sql_type: &'static str, problem: impl Into<String>) -> Self {
        Self {
            sql_type,
            problem: problem.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sea_orm::Value;
    use sea_orm::sea_query::{Nullable, ValueType};

    use super::*;

    proptest! {
        #[test]
        fn values_and_texts_come_back(numbers in prop::collection::vec(-65000f32..65000.0, 1..20), flags: Vec<bool>) {
            let half = HalfVec::from(numbers.clone());
            prop_assert_eq!(half.to_string().parse::<HalfVec>().unwrap(), half.clone());
            prop_assert_eq!(HalfVec::from(half.to_vec()), half.clone());
            prop_assert_eq!(<HalfVec as ValueType>::try_from(half.clone().into()).unwrap(), half.clone());
            let json = serde_json::to_string(&half).unwrap();
            prop_assert!(json.starts_with('['), "{}", json);
            prop_assert_eq!(serde_json::from_str::<HalfVec>(&json).unwrap(), half);

            let mostly_zero: Vec<f32> = numbers.iter().map(|n| if *n < 0.0 { 0.0 } else { *n }).collect();
            let sparse = SparseVec::from(mostly_zero.clone());
            prop_assert_eq!(sparse.to_vec(), mostly_zero);
            prop_assert_eq!(sparse.to_string().parse::<SparseVec>().unwrap(), sparse.clone());
            prop_assert_eq!(<SparseVec as ValueType>::try_from(sparse.clone().into()).unwrap(), sparse);

            let bits = Bits::from(flags.clone());
            prop_assert_eq!(bits.to_string().parse::<Bits>().unwrap(), bits.clone());
            prop_assert_eq!(<Bits as ValueType>::try_from(bits.clone().into()).unwrap(), bits.clone());
            let json = serde_json::to_string(&bits).unwrap();
            prop_assert_eq!(serde_json::from_str::<Bits>(&json).unwrap(), bits.clone());
            prop_assert_eq!(Vec::from(bits), flags);
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = (text.parse::<HalfVec>(), text.parse::<SparseVec>(), text.parse::<Bits>());
        }
    }

    #[test]
    fn null_is_of_the_type_and_no_value_of_another_type_is_taken() {
        assert_eq!(<Option<Bits> as ValueType>::try_from(Bits::null()).unwrap(), None);
        assert_ne!(Bits::null(), HalfVec::null());
        assert!(<Bits as ValueType>::try_from(Bits::null()).is_err());
        assert!(<Bits as ValueType>::try_from(Value::from(HalfVec::from([1.0]))).is_err());
        assert!(<Bits as ValueType>::try_from(Value::from("101")).is_err());
    }

    #[test]
    fn an_invalid_sparsevec_says_why() {
        let problem = |result: Result<SparseVec, VectorError>| result.unwrap_err().to_string();
        assert_eq!(
            problem(SparseVec::new(2, [(2, 1.0)])),
            "not a sparsevec: position 2, from 0, is beyond 2 dimensions"
        );
        assert_eq!(
            problem(SparseVec::new(2, [(1, 1.0), (1, 2.0)])),
            "not a sparsevec: position 1 occurs twice"
        );
        assert_eq!(
            problem(SparseVec::new(0, [])),
            "not a sparsevec: 0 dimensions are not between 1 and 1000000000"
        );
        assert_eq!(
            problem("{0:1}/2".parse()),
            r#"not a sparsevec: "{0:1}/2" is not like {1:0.5,3:2}/5"#
        );
    }
}
