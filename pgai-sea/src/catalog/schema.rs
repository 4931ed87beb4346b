//! The SQL of the schema, in the order in which it runs.
//!
//! An install runs, in one transaction: what each migration does to tables, all functions and views, what each
//! migration does after that. An upgrade runs the same of newer migrations alone, then brings the triggers of
//! vectorizers in use up to date.

/// The step from one version of the schema to the next.
pub(super) struct Migration {
    /// What its files are called. It begins with the version that it makes.
    #[cfg(test)]
    pub(super) name: &'static str,
    /// Changes the catalog's own tables.
    pub(super) tables: &'static str,
    /// Runs when the functions are there. It changes what vectorizers in use have, so that they are as new ones.
    pub(super) after: Option<&'static str>,
}

/// Embeds a migration's files: `sql/migrations/<name>.sql` and, where it says so, `sql/migrations/<name>.after.sql`.
macro_rules! migration {
    ($name:literal) => {
        Migration {
            #[cfg(test)]
            name: $name,
            tables: include_str!(concat!("sql/migrations/", $name, ".sql")),
            after: None,
        }
    };
    ($name:literal, after) => {
        Migration {
            after: Some(include_str!(concat!("sql/migrations/", $name, ".after.sql"))),
            ..migration!($name)
        }
    };
}

/// Each migration runs once in the life of a database. The first makes version 1, the second version 2.
pub(super) const MIGRATIONS: &[Migration] = &[
    migration!("001_tables"),
    migration!("002_rights", after),
    migration!("003_owners", after),
    migration!("004_waits", after),
    migration!("005_generations", after),
    migration!("006_documents", after),
    migration!("007_backfill", after),
    migration!("008_halfvec"),
    migration!("009_budgets", after),
    migration!("010_batches", after),
    migration!("011_partitions"),
];

/// The version of the schema that this crate brings.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "they are counted on fingers"
)]
pub(super) const VERSION: i32 = MIGRATIONS.len() as i32;

/// Embeds files of functions and views by their name.
macro_rules! functions {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("sql/functions/", $name, ".sql")))),*]
    };
}

/// Functions and views, by the names of their files. Every version makes all of them anew. Each file uses those above
/// it.
pub(super) const FUNCTIONS: &[(&str, &str)] = functions![
    "config/implementation",
    "names",
    "citus",
    "source",
    "config/destination",
    "config/loading",
    "config/parsing",
    "config/embedding",
    "config/chunking",
    "config/formatting",
    "config/indexing",
    "config/scheduling",
    "config/processing",
    "config/grant_to",
    "queue",
    "store",
    "places",
    "columns",
    "triggers",
    "identity",
    "drop_vectorizer",
    "create_vectorizer",
    "refresh_vectorizer",
    "release_vectorizer",
    "change/copy",
    "change/change_vectorizer",
    "change/cut_over",
    "change/finish",
    "requeue",
    "backfill",
    "in_use",
    "schedule",
    "privileges",
    "status",
    "reports",
    "worker_tracking",
    "budgets",
    "embed",
    "grant_vectorizer_usage",
];

/// Keeps everybody from creating, following and dropping vectorizers until the end of an upgrade, and waits for those
/// who do.
pub(super) const LOCK: &str = "LOCK TABLE ai.vectorizer IN SHARE ROW EXCLUSIVE MODE";

/// Trigger functions and triggers are written out for each vectorizer. This writes the functions anew, and those
/// triggers that this version has otherwise. Only the latter lock their table.
pub(super) const TRIGGERS: &str =
    "SELECT ai._vectorizer_create_triggers(u.v, u.source) FROM ai._vectorizers_in_use() u WHERE u.source IS NOT NULL";
