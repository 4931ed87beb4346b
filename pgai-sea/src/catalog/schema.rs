//! The SQL of the schema, in the order in which it has to be run.

/// The version of the schema that this crate brings. It counts up with every change to a file in `sql`.
pub(super) const VERSION: i32 = 1;

/// What made the tables, and by version what was changed in them since: each runs once, in a schema that is older.
pub(super) const TABLES: &[(i32, &str)] = &[(0, include_str!("sql/tables.sql"))];

/// Functions and views, which every version makes anew. Each file uses those above it.
pub(super) const FUNCTIONS: &[&str] = &[
    include_str!("sql/config/implementation.sql"),
    include_str!("sql/names.sql"),
    include_str!("sql/source.sql"),
    include_str!("sql/config/destination.sql"),
    include_str!("sql/config/loading.sql"),
    include_str!("sql/config/parsing.sql"),
    include_str!("sql/config/embedding.sql"),
    include_str!("sql/config/chunking.sql"),
    include_str!("sql/config/formatting.sql"),
    include_str!("sql/config/indexing.sql"),
    include_str!("sql/config/scheduling.sql"),
    include_str!("sql/config/processing.sql"),
    include_str!("sql/config/grant_to.sql"),
    include_str!("sql/queue.sql"),
    include_str!("sql/store.sql"),
    include_str!("sql/columns.sql"),
    include_str!("sql/triggers.sql"),
    include_str!("sql/drop_vectorizer.sql"),
    include_str!("sql/create_vectorizer.sql"),
    include_str!("sql/refresh_vectorizer.sql"),
    include_str!("sql/release_vectorizer.sql"),
    include_str!("sql/schedule.sql"),
    include_str!("sql/status.sql"),
    include_str!("sql/worker_tracking.sql"),
    include_str!("sql/embed.sql"),
    include_str!("sql/grant_vectorizer_usage.sql"),
];

/// Triggers and their functions are written out per vectorizer: a new version writes the functions anew, and those triggers that it has
/// otherwise, which locks their tables, in the same order whoever does it. Who creates a vectorizer meanwhile waits, and has the new ones.
pub(super) const REFRESH: &str = "LOCK TABLE ai.vectorizer IN SHARE ROW EXCLUSIVE MODE; SELECT ai._vectorizer_create_triggers(s.v, s.source) \
     FROM (SELECT v, s.source FROM ai.vectorizer v CROSS JOIN ai._vectorizer_source(v) s (source) \
         WHERE s.source IS NOT NULL ORDER BY s.source, v.id OFFSET 0) s";
