//! SeaORM entities for the tables and views of the `ai` schema.
//!
//! They are for reading; the schema's functions write. None of them enters SeaORM's entity registry, so that schema sync
//! leaves the schema alone.

pub mod errors;
pub mod pgai_lib_version;
pub mod pgai_sea_migration;
pub mod vectorizer;
pub mod vectorizer_errors;
pub mod vectorizer_status;
pub mod vectorizer_worker_process;
pub mod vectorizer_worker_progress;
pub mod vectorizer_worker_usage;

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
