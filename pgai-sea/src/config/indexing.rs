//! The index over the embeddings: `ai.indexing_hnsw` and its siblings.

use serde::{Deserialize, Serialize};

use super::{ConfigError, Other, area, bare, check_range};
use crate::sql::{Arg, Call};

/// The name of an index that keeps one bit a number.
const BINARY: &str = "binary";

area! {
    /// The index over the embeddings, and when it is built.
    ///
    /// pgai-sea's worker builds the index. On pgai-sea's schema it needs no schedule. pgai's own schema refuses an
    /// index without [`Scheduling::timescaledb`](super::Scheduling::timescaledb). There, leave the indexing out and
    /// create the index in a migration, with [`CreateVectorIndex`](crate::pgvector::CreateVectorIndex).
    Indexing, Tag = "indexing" {
        /// The database's setting decides. Without one, none.
        Default(IndexingDefault) = "default",
        /// No index: searches compare with every row.
        None(IndexingNone) = "none",
        /// pgvector's HNSW.
        Hnsw(Hnsw) = "hnsw",
        /// pgvectorscale's StreamingDiskANN.
        Diskann(Diskann) = "diskann",
    }
}

impl Indexing {
    /// Whether the index keeps one bit a number.
    pub(crate) fn is_binary(&self) -> bool {
        matches!(self, Self::Hnsw(hnsw) if hnsw.is_binary())
    }

    /// The database's setting `ai.indexing_default` decides. Without one, there is no index.
    ///
    /// ```
    /// assert_eq!(pgai_sea::config::Indexing::from_database_settings().to_sql(), "ai.indexing_default()");
    /// ```
    #[must_use]
    pub fn from_database_settings() -> IndexingDefault {
        IndexingDefault::default()
    }

    /// No index: searches compare with every row, exactly.
    ///
    /// ```
    /// assert_eq!(pgai_sea::config::Indexing::none().to_sql(), "ai.indexing_none()");
    /// ```
    #[must_use]
    pub fn none() -> IndexingNone {
        IndexingNone::default()
    }

    /// pgvector's HNSW, for vectors of at most 2,000 dimensions, and 4,000 in a column of type `halfvec`. With
    /// [`binary`](Hnsw::binary) it takes any number of them.
    ///
    /// ```
    /// use pgai_sea::config::Indexing;
    ///
    /// assert_eq!(
    ///     Indexing::hnsw().min_rows(10_000).opclass("vector_ip_ops").m(32).to_sql(),
    ///     "ai.indexing_hnsw(min_rows => 10000, opclass => 'vector_ip_ops', m => 32)"
    /// );
    /// ```
    #[must_use]
    pub fn hnsw() -> Hnsw {
        Hnsw::default()
    }

    /// pgvectorscale's `StreamingDiskANN`. The extension has the defaults. It checks them when it builds the index.
    ///
    /// ```
    /// use pgai_sea::config::Indexing;
    ///
    /// assert_eq!(
    ///     Indexing::diskann().storage_layout("memory_optimized").num_neighbors(50).to_sql(),
    ///     "ai.indexing_diskann(storage_layout => 'memory_optimized', num_neighbors => 50)"
    /// );
    /// ```
    #[must_use]
    pub fn diskann() -> Diskann {
        Diskann::default()
    }
}

bare! {
    /// What the database's settings say. See [`Indexing::from_database_settings`].
    IndexingDefault, Tag, "indexing_default"
}
bare! {
    /// No index. See [`Indexing::none`].
    IndexingNone, Tag, "indexing_none"
}

/// pgvector's HNSW. See [`Indexing::hnsw`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Hnsw {
    #[serde(default)]
    config_type: Tag,
    /// The worker builds the index when the store has this many rows. The default is 100,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_rows: Option<i32>,
    /// The operator class of the distance that the index serves. The default is `vector_cosine_ops`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opclass: Option<String>,
    /// Neighbours of a node per layer; pgvector's default is 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub m: Option<i32>,
    /// Candidates while building; pgvector's default is 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ef_construction: Option<i32>,
    /// Whether to wait for an empty queue; by default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_when_queue_empty: Option<bool>,
    /// `binary` if the index keeps one bit a number. [`binary`](Self::binary) sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantized: Option<String>,
    /// Stored keys that this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

impl Hnsw {
    /// The worker builds the index when the store has this many rows. The default is 100,000.
    #[must_use]
    pub fn min_rows(mut self, min_rows: i32) -> Self {
        self.min_rows = Some(min_rows);
        self
    }

    /// The distance that it serves: `vector_cosine_ops` (the default), `vector_ip_ops`, `vector_l1_ops`, and with our
    /// own schema `vector_l2_ops`.
    #[must_use]
    pub fn opclass(mut self, opclass: impl Into<String>) -> Self {
        self.opclass = Some(opclass.into());
        self
    }

    /// Neighbours of a node per layer, 2 to 100; pgvector's default is 16.
    #[must_use]
    pub fn m(mut self, m: i32) -> Self {
        self.m = Some(m);
        self
    }

    /// Candidates while building, 4 to 1,000 and at least twice `m`; pgvector's default is 64.
    #[must_use]
    pub fn ef_construction(mut self, ef_construction: i32) -> Self {
        self.ef_construction = Some(ef_construction);
        self
    }

    /// Whether to wait for an empty queue; by default true.
    #[must_use]
    pub fn create_when_queue_empty(mut self, create_when_queue_empty: bool) -> Self {
        self.create_when_queue_empty = Some(create_when_queue_empty);
        self
    }

    /// Keeps one bit a number in the index: whether it is positive. The index is a fraction of the size, is built
    /// faster, and takes any number of dimensions.
    ///
    /// ```
    /// use pgai_sea::config::Indexing;
    ///
    /// assert_eq!(Indexing::hnsw().binary().to_sql(), "ai.indexing_binary()");
    /// assert_eq!(
    ///     Indexing::hnsw().min_rows(10_000).binary().to_sql(),
    ///     "ai.indexing_binary(indexing => ai.indexing_hnsw(min_rows => 10000))"
    /// );
    /// ```
    ///
    /// If the entity's attribute says it too, `indexing = Indexing::hnsw().binary()`, searches by the cosine use it by
    /// themselves: the index proposes several times as many rows as are wanted, and their exact distances decide. As
    /// long as there is no such index, they compare every row. A search by another metric, or by an expression, says
    /// [`quantized(Quantized::binary())`](crate::search::Search::quantized) if it is to use the index.
    ///
    /// [`recall`](crate::search::SearchTrait::recall) tells what it misses: little for models of many dimensions, more
    /// for short vectors. It needs this crate's catalog. An operator class has no effect beside it, and is refused.
    #[must_use]
    pub fn binary(mut self) -> Self {
        self.quantized = Some(BINARY.to_owned());
        self
    }

    pub(crate) fn is_binary(&self) -> bool {
        self.quantized.as_deref() == Some(BINARY)
    }

    pub(crate) fn call(&self) -> Call {
        let hnsw = Call::new("indexing_hnsw")
            .arg("min_rows", self.min_rows)
            .arg("opclass", self.opclass.as_ref())
            .arg("m", self.m)
            .arg("ef_construction", self.ef_construction)
            .arg("create_when_queue_empty", self.create_when_queue_empty);
        if !self.is_binary() {
            return hnsw;
        }
        let is_default = self.min_rows.is_none()
            && self.opclass.is_none()
            && self.m.is_none()
            && self.ef_construction.is_none()
            && self.create_when_queue_empty.is_none();
        Call::new("indexing_binary").arg("indexing", (!is_default).then_some(Arg::Call(hnsw)))
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        check_range("min_rows", self.min_rows, 0..=i32::MAX)?;
        Self::check_build(self.m, self.ef_construction)?;
        if let Some(other) = self.quantized.as_ref().filter(|_| !self.is_binary()) {
            return Err(ConfigError::new(
                "quantized",
                format!("is {other:?}, and an index is binary or not"),
            ));
        }
        if let Some(opclass) = self
            .opclass
            .as_ref()
            .filter(|of| self.is_binary() && *of != "vector_cosine_ops")
        {
            let problem = format!("a binary index compares bits, and {opclass:?} has no effect on it: leave it out");
            return Err(ConfigError::new("opclass", problem));
        }
        let known = ["vector_cosine_ops", "vector_ip_ops", "vector_l1_ops", "vector_l2_ops"];
        match self.opclass.as_deref() {
            Some(opclass) if !known.contains(&opclass) => Err(ConfigError::new(
                "opclass",
                format!("{opclass:?} is none of {}", known.join(", ")),
            )),
            _ => Ok(()),
        }
    }

    /// pgvector's rules for building an HNSW index.
    pub(crate) fn check_build(m: Option<i32>, ef_construction: Option<i32>) -> Result<(), ConfigError> {
        check_range("m", m, 2..=100)?;
        check_range("ef_construction", ef_construction, 4..=1000)?;
        let default = if ef_construction.is_none() {
            ", the default,"
        } else {
            ""
        };
        let (m, ef_construction) = (m.unwrap_or(16), ef_construction.unwrap_or(64));
        if ef_construction < 2 * m {
            let problem = format!(
                "{ef_construction}{default} is less than twice m, {m}; set ef_construction to at least {}",
                2 * m
            );
            return Err(ConfigError::new("ef_construction", problem));
        }
        Ok(())
    }
}

/// pgvectorscale's StreamingDiskANN. See [`Indexing::diskann`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Diskann {
    #[serde(default)]
    config_type: Tag,
    /// The worker builds the index when the store has this many rows. The default is 100,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_rows: Option<i32>,
    /// `memory_optimized`, which compresses, or `plain`; pgvectorscale's default is `memory_optimized`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_layout: Option<String>,
    /// Neighbours of a node, 10 to 1,000; pgvectorscale's default is 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_neighbors: Option<i32>,
    /// Candidates while building, 10 to 1,000; pgvectorscale's default is 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search_list_size: Option<i32>,
    /// The algorithm's alpha, 1.0 to 5.0; pgvectorscale's default is 1.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_alpha: Option<f64>,
    /// How many dimensions are indexed, up to 5,000; 0 for all, which is pgvectorscale's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_dimensions: Option<i32>,
    /// Bits per dimension in the compressed form, 1 to 32; pgvectorscale's default is 2 below 900 dimensions, else 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_bits_per_dimension: Option<i32>,
    /// Whether to wait for an empty queue; by default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_when_queue_empty: Option<bool>,
    /// Stored keys that this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

impl Diskann {
    /// The worker builds the index when the store has this many rows. The default is 100,000.
    #[must_use]
    pub fn min_rows(mut self, min_rows: i32) -> Self {
        self.min_rows = Some(min_rows);
        self
    }

    /// `memory_optimized`, which compresses, or `plain`; pgvectorscale's default is `memory_optimized`.
    #[must_use]
    pub fn storage_layout(mut self, storage_layout: impl Into<String>) -> Self {
        self.storage_layout = Some(storage_layout.into());
        self
    }

    /// Neighbours of a node, 10 to 1,000; pgvectorscale's default is 50.
    #[must_use]
    pub fn num_neighbors(mut self, num_neighbors: i32) -> Self {
        self.num_neighbors = Some(num_neighbors);
        self
    }

    /// Candidates while building, 10 to 1,000; pgvectorscale's default is 100.
    #[must_use]
    pub fn search_list_size(mut self, search_list_size: i32) -> Self {
        self.search_list_size = Some(search_list_size);
        self
    }

    /// The algorithm's alpha, 1.0 to 5.0; pgvectorscale's default is 1.2.
    #[must_use]
    pub fn max_alpha(mut self, max_alpha: f64) -> Self {
        self.max_alpha = Some(max_alpha);
        self
    }

    /// How many dimensions are indexed, up to 5,000; 0 for all, which is pgvectorscale's default.
    #[must_use]
    pub fn num_dimensions(mut self, num_dimensions: i32) -> Self {
        self.num_dimensions = Some(num_dimensions);
        self
    }

    /// Bits per dimension in the compressed form, 1 to 32; pgvectorscale's default is 2 below 900 dimensions, else 1.
    #[must_use]
    pub fn num_bits_per_dimension(mut self, num_bits_per_dimension: i32) -> Self {
        self.num_bits_per_dimension = Some(num_bits_per_dimension);
        self
    }

    /// Whether to wait for an empty queue; by default true.
    #[must_use]
    pub fn create_when_queue_empty(mut self, create_when_queue_empty: bool) -> Self {
        self.create_when_queue_empty = Some(create_when_queue_empty);
        self
    }

    pub(crate) fn call(&self) -> Call {
        Call::new("indexing_diskann")
            .arg("min_rows", self.min_rows)
            .arg("storage_layout", self.storage_layout.as_ref())
            .arg("num_neighbors", self.num_neighbors)
            .arg("search_list_size", self.search_list_size)
            .arg("max_alpha", self.max_alpha)
            .arg("num_dimensions", self.num_dimensions)
            .arg("num_bits_per_dimension", self.num_bits_per_dimension)
            .arg("create_when_queue_empty", self.create_when_queue_empty)
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        check_range("min_rows", self.min_rows, 0..=i32::MAX)?;
        if self.max_alpha.is_some_and(|alpha| !alpha.is_finite()) {
            return Err(ConfigError::new("max_alpha", "is not a finite number"));
        }
        match self.storage_layout.as_deref() {
            None | Some("memory_optimized" | "plain") => Ok(()),
            Some(other) => Err(ConfigError::new(
                "storage_layout",
                format!("{other:?} is neither memory_optimized nor plain"),
            )),
        }
    }
}
