//! The two catalogs that everything works on.

use std::fmt;

use pgai_sea::migration::prelude::*;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};

/// What a test's database has when the test begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Catalog {
    /// The `ai` schema that this project installs.
    Ours,
    /// The `ai` schema of pgai 0.12.1.
    Pgai,
    /// No `ai` schema, only pgvector.
    Bare,
}

impl Catalog {
    /// Those that answer `ai.create_vectorizer`.
    pub const BOTH: [Self; 2] = [Self::Ours, Self::Pgai];

    /// A word for names of databases.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Pgai => "pgai",
            Self::Bare => "bare",
        }
    }

    pub(crate) async fn install(self, db: &DatabaseConnection) -> Result<(), DbErr> {
        db.execute_unprepared("create extension vector").await?;
        match self {
            Self::Ours => SchemaManager::new(db).install_pgai().await.map(drop),
            Self::Pgai => {
                let sql = real_parts::pgai_schema_sql().map_err(|error| DbErr::Custom(error.to_string()))?;
                db.execute_unprepared(&sql).await.map(drop)
            }
            Self::Bare => Ok(()),
        }
    }
}

impl fmt::Display for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "our own catalog",
            Self::Pgai => "pgai's catalog",
            Self::Bare => "a database without a catalog",
        })
    }
}
