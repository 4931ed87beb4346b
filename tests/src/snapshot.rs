//! What is in a database, for "nothing is left behind".

use std::collections::BTreeSet;
use std::fmt;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Statement};

/// Everything that a migration could create: schemas, relations with their columns, functions, types, triggers,
/// constraints, extensions, settings, and the rights on them, as lines of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    objects: BTreeSet<String>,
}

impl Snapshot {
    /// What is there now.
    pub async fn of(db: &DatabaseConnection) -> Result<Self, DbErr> {
        let statement = Statement::from_string(db.get_database_backend(), include_str!("snapshot.sql"));
        let rows = db.query_all_raw(statement).await?;
        let objects = rows
            .iter()
            .map(|row| row.try_get("", "object"))
            .collect::<Result<_, _>>()?;
        Ok(Self { objects })
    }

    /// What is here and was not there `before`.
    pub fn added_since(&self, before: &Self) -> Difference {
        Difference(self.objects.difference(&before.objects).cloned().collect())
    }

    /// What was there `before` and is not here.
    pub fn removed_since(&self, before: &Self) -> Difference {
        before.added_since(self)
    }
}

/// What one snapshot has and another does not; a line for each object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference(Vec<String>);

impl Difference {
    /// The difference in objects that `is_meant` picks by their line.
    #[must_use]
    pub fn only(self, is_meant: impl Fn(&str) -> bool) -> Self {
        Self(self.0.into_iter().filter(|object| is_meant(object)).collect())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}
