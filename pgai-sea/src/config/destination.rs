//! Where the embeddings are stored: `ai.destination_table`, `ai.destination_column`.

use serde::{Deserialize, Serialize};

use super::{ConfigError, Other, area, check_identifier};
use crate::sql::{Arg, Call};

/// The type of vectors that has numbers of 16 bits.
pub(crate) const HALFVEC: &str = "halfvec";
/// More partitions than this would make every search of all of them slow. As `ai._vectorizer_with_partitions`.
const MOST_PARTITIONS: i32 = 256;

area! {
    /// Where the embeddings are stored.
    Destination, Tag = "destination" {
        /// A table of their own, one row per chunk.
        Table(DestinationTable) = "table",
        /// A column of the source table, one vector per row.
        Column(DestinationColumn) = "column",
    }
}

impl Destination {
    /// A table of their own, one row per chunk, and a view that joins it to the source.
    ///
    /// ```
    /// use pgai_sea::config::Destination;
    ///
    /// assert_eq!(Destination::table().to_sql(), "ai.destination_table()");
    /// assert_eq!(
    ///     Destination::table().target_schema("search").target_table("posts_store").to_sql(),
    ///     "ai.destination_table(target_schema => 'search', target_table => 'posts_store')"
    /// );
    /// ```
    #[must_use]
    pub fn table() -> DestinationTable {
        DestinationTable::default()
    }

    /// A column of the source table, created with the vectorizer. The row's whole text is embedded, so chunking must be
    /// none.
    ///
    /// ```
    /// use pgai_sea::config::Destination;
    ///
    /// assert_eq!(Destination::column("embedding").to_sql(), "ai.destination_column(embedding_column => 'embedding')");
    /// ```
    #[must_use]
    pub fn column(embedding_column: impl Into<String>) -> DestinationColumn {
        DestinationColumn {
            config_type: Tag::Tag,
            embedding_column: embedding_column.into(),
            other: Other::new(),
        }
    }
}

impl Destination {
    /// Whether it is a table whose vectors are stored as `halfvec`.
    pub(crate) fn is_halfvec(&self) -> bool {
        matches!(self, Self::Table(table) if table.is_halfvec())
    }
}

impl Destination {
    /// Whether it is a table in partitions.
    #[cfg(feature = "migration")]
    pub(crate) fn is_partitioned(&self) -> bool {
        matches!(self, Self::Table(table) if table.partitions.is_some())
    }
}

impl Default for Destination {
    fn default() -> Self {
        Self::table().into()
    }
}

/// A table of their own and a view. See [`Destination::table`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DestinationTable {
    #[serde(default)]
    config_type: Tag,
    /// The name that table and view are derived from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// The table's schema; by default the source's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_schema: Option<String>,
    /// The table; by default `<destination>_store`, else `<source>_embedding_store`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_table: Option<String>,
    /// The view's schema; by default the source's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view_schema: Option<String>,
    /// The view; by default `<destination>`, else `<source>_embedding`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view_name: Option<String>,
    /// The type of the vectors; by default `vector`. [`halfvec`](Self::halfvec) sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vector_type: Option<String>,
    /// In how many partitions the table is; by default it is one table. [`partitions`](Self::partitions) sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i32>,
    /// The column of the source's key that it is partitioned by; by default the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition_by: Option<String>,
    /// Stored keys that this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

impl DestinationTable {
    /// Names both: the table becomes `<destination>_store`, the view `<destination>`.
    #[must_use]
    pub fn destination(mut self, destination: impl Into<String>) -> Self {
        self.destination = Some(destination.into());
        self
    }

    /// The table's schema; by default the source's.
    #[must_use]
    pub fn target_schema(mut self, target_schema: impl Into<String>) -> Self {
        self.target_schema = Some(target_schema.into());
        self
    }

    /// The table; by default `<source>_embedding_store`.
    #[must_use]
    pub fn target_table(mut self, target_table: impl Into<String>) -> Self {
        self.target_table = Some(target_table.into());
        self
    }

    /// The view's schema; by default the source's. (pgai 0.12.1 ignores it.)
    #[must_use]
    pub fn view_schema(mut self, view_schema: impl Into<String>) -> Self {
        self.view_schema = Some(view_schema.into());
        self
    }

    /// The view; by default `<source>_embedding`.
    #[must_use]
    pub fn view_name(mut self, view_name: impl Into<String>) -> Self {
        self.view_name = Some(view_name.into());
        self
    }

    /// Stores the vectors as `halfvec`: numbers of 16 bits instead of 32. Table and index take half the disk and half
    /// the memory, and an HNSW index takes up to 4,000 dimensions instead of 2,000. Searches are the same, and find the
    /// same rows for most models. It needs this crate's catalog.
    ///
    /// ```
    /// use pgai_sea::config::Destination;
    ///
    /// assert_eq!(Destination::table().halfvec().to_sql(), "ai.destination_halfvec()");
    /// assert_eq!(
    ///     Destination::table().target_table("posts_store").halfvec().to_sql(),
    ///     "ai.destination_halfvec(destination => ai.destination_table(target_table => 'posts_store'))"
    /// );
    /// ```
    #[must_use]
    pub fn halfvec(mut self) -> Self {
        self.vector_type = Some(HALFVEC.to_owned());
        self
    }

    /// Stores the chunks in so many partitions, from 1 to 256: tables with an index each, by the hash of a column of
    /// the source's key. It is the first column, unless [`partition_by`](Self::partition_by) names another.
    ///
    /// A search for one value of that column reads one partition and its index. A search of all values asks each index.
    /// It needs this crate's catalog.
    ///
    /// ```
    /// use pgai_sea::config::Destination;
    ///
    /// assert_eq!(
    ///     Destination::table().partitions(16).to_sql(),
    ///     "ai.destination_partitioned(partitions => 16)"
    /// );
    /// assert_eq!(
    ///     Destination::table().partitions(16).partition_by("tenant_id").halfvec().to_sql(),
    ///     "ai.destination_partitioned(partitions => 16, partition_by => 'tenant_id', \
    ///      destination => ai.destination_halfvec())"
    /// );
    /// ```
    #[must_use]
    pub fn partitions(mut self, partitions: i32) -> Self {
        self.partitions = Some(partitions);
        self
    }

    /// The column of the source's key that the table is partitioned by: `tenant_id` of `primary key (tenant_id, id)`.
    /// It needs [`partitions`](Self::partitions).
    #[must_use]
    pub fn partition_by(mut self, column: impl Into<String>) -> Self {
        self.partition_by = Some(column.into());
        self
    }

    pub(crate) fn is_halfvec(&self) -> bool {
        self.vector_type.as_deref() == Some(HALFVEC)
    }

    fn named(&self) -> [(&'static str, Option<&String>); 5] {
        [
            ("destination", self.destination.as_ref()),
            ("target_schema", self.target_schema.as_ref()),
            ("target_table", self.target_table.as_ref()),
            ("view_schema", self.view_schema.as_ref()),
            ("view_name", self.view_name.as_ref()),
        ]
    }

    pub(crate) fn call(&self) -> Call {
        let table = self
            .named()
            .into_iter()
            .fold(Call::new("destination_table"), |call, (name, value)| {
                call.arg(name, value.map(|value| Arg::Name(value.clone())))
            });
        let is_named = self.named().iter().any(|(_, value)| value.is_some());
        let inner = is_named.then(|| Arg::Call(table.clone()));
        let (table, inner) = if self.is_halfvec() {
            let halves = Call::new("destination_halfvec").arg("destination", inner);
            (halves.clone(), Some(Arg::Call(halves)))
        } else {
            (table, inner)
        };
        if self.partitions.is_none() {
            return table;
        }
        Call::new("destination_partitioned")
            .arg("partitions", self.partitions)
            .arg("partition_by", self.partition_by.clone().map(Arg::Name))
            .arg("destination", inner)
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if let Some(other) = self
            .vector_type
            .as_ref()
            .filter(|of| !["vector", HALFVEC].contains(&of.as_str()))
        {
            let problem = format!("is {other:?}, and a store has vector or halfvec");
            return Err(ConfigError::new("vector_type", problem));
        }
        check_partitions(self.partitions, self.partition_by.as_deref())?;
        if self.partition_by.is_some() && self.partitions.is_none() {
            return Err(ConfigError::new("partition_by", "needs `partitions`"));
        }
        self.named()
            .into_iter()
            .try_for_each(|(name, value)| value.map_or(Ok(()), |v| check_identifier(name, v)))
    }
}

/// Refuses what no store can have.
pub(crate) fn check_partitions(partitions: Option<i32>, partition_by: Option<&str>) -> Result<(), ConfigError> {
    if let Some(partitions) = partitions.filter(|partitions| !(1..=MOST_PARTITIONS).contains(partitions)) {
        let problem = format!("is {partitions}, and a store has 1 to {MOST_PARTITIONS}");
        return Err(ConfigError::new("partitions", problem));
    }
    partition_by.map_or(Ok(()), |column| check_identifier("partition_by", column))
}

/// A column of the source table. See [`Destination::column`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DestinationColumn {
    #[serde(default)]
    config_type: Tag,
    /// The column that holds the vector.
    pub embedding_column: String,
    /// Stored keys that this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

impl DestinationColumn {
    pub(crate) fn call(&self) -> Call {
        Call::new("destination_column").arg("embedding_column", Some(Arg::Name(self.embedding_column.clone())))
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        check_identifier("embedding_column", &self.embedding_column)
    }
}
