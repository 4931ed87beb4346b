//! SeaORM entities for what an application may want to query in the `ai` schema: how far vectorizers are, what went
//! wrong, and which workers run.
//!
//! ```no_run
//! # async fn f(db: sea_orm::DatabaseConnection) -> Result<(), sea_orm::DbErr> {
//! use pgai_sea::catalog::entities::vectorizer_errors;
//! use sea_orm::{EntityTrait, QueryOrder, QuerySelect};
//!
//! let latest = vectorizer_errors::Entity::find()
//!     .order_by_desc(vectorizer_errors::Column::Recorded)
//!     .limit(10)
//!     .all(&db)
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! They are for reading. The schema's functions write. None of the entities enters SeaORM's registry, so schema sync
//! leaves the schema alone. [`catalog::vectorizers`](crate::catalog::vectorizers) reads the vectorizers themselves.

#[allow(unreachable_pub, reason = "an entity like those beside it")]
pub(crate) mod vectorizer;
pub mod vectorizer_errors;
pub mod vectorizer_status;
pub mod vectorizer_worker_process;
pub mod vectorizer_worker_progress;
#[allow(unreachable_pub, reason = "an entity like those beside it")]
pub(crate) mod vectorizer_worker_usage;

/// `struct Entity` for `ai.<table>`, written out because `DeriveEntity` registers what it derives.
macro_rules! entity {
    ($(#[$doc:meta])* $table:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default)]
        pub struct Entity;

        impl sea_orm::EntityName for Entity {
            fn schema_name(&self) -> Option<&str> {
                Some("ai")
            }

            fn table_name(&self) -> &'static str {
                $table
            }
        }

        impl sea_orm::EntityTrait for Entity {
            type Model = Model;
            type ModelEx = Model;
            type ActiveModel = ActiveModel;
            type ActiveModelEx = ActiveModel;
            type Column = Column;
            type Relation = Relation;
            type PrimaryKey = PrimaryKey;
        }

        impl sea_orm::Iden for Entity {
            fn unquoted(&self) -> &str {
                $table
            }
        }

        impl sea_orm::IdenStatic for Entity {
            fn as_str(&self) -> &'static str {
                $table
            }
        }

        /// None: the schema's tables are read one at a time.
        #[derive(Clone, Copy, Debug, sea_orm::EnumIter, sea_orm::DeriveRelation)]
        pub enum Relation {}

        impl sea_orm::ActiveModelBehavior for ActiveModel {}
    };
}
use entity;
