//! Indexes on vectors of other extensions: vchordrq (VectorChord) and diskann (pgvectorscale).

use sea_orm::sea_query::{IntoIden, IntoTableRef};

use super::create::CreateVectorIndex;
use super::opclass::IndexMethod;
use crate::sql::quote_literal;

/// # Indexes of other extensions
impl CreateVectorIndex {
    /// A vchordrq index of the extension VectorChord (`vchord`), on a column of `vector` or `halfvec`. Searches use it
    /// as they use HNSW. `vchordrq.probes` has to be set for the role or the connection where it has
    /// [`lists`](Self::lists).
    ///
    /// ```
    /// use pgai_sea::pgvector::CreateVectorIndex;
    ///
    /// # fn main() -> Result<(), pgai_sea::config::ConfigError> {
    /// assert_eq!(
    ///     CreateVectorIndex::vchordrq("items", "embedding").lists(1000).to_sql()?,
    ///     r#"CREATE INDEX "items_embedding_vchordrq_vector_cosine" ON "items" USING vchordrq "#.to_owned()
    ///         + r#"("embedding" vector_cosine_ops) WITH (options = E'[build.internal]\nlists = [1000]')"#
    /// );
    /// # Ok(())
    /// # }
    /// ```
    pub fn vchordrq(table: impl IntoTableRef, column: impl IntoIden) -> Self {
        Self::new(IndexMethod::Vchordrq, table, column)
    }

    /// A StreamingDiskANN index of the extension pgvectorscale (`vectorscale`), on a column of `vector` with up to
    /// 16,000 dimensions. Searches use it as they use HNSW.
    ///
    /// ```
    /// use pgai_sea::pgvector::CreateVectorIndex;
    ///
    /// # fn main() -> Result<(), pgai_sea::config::ConfigError> {
    /// assert_eq!(
    ///     CreateVectorIndex::diskann("items", "embedding").dimensions(3072).num_neighbors(64).to_sql()?,
    ///     r#"CREATE INDEX "items_embedding_diskann_vector_cosine" ON "items" USING diskann "#.to_owned()
    ///         + r#"("embedding" vector_cosine_ops) WITH (num_neighbors = 64)"#
    /// );
    /// # Ok(())
    /// # }
    /// ```
    pub fn diskann(table: impl IntoTableRef, column: impl IntoIden) -> Self {
        Self::new(IndexMethod::DiskAnn, table, column)
    }

    /// diskann: neighbours of a node, 10 to 1,000. The default is 50.
    pub fn num_neighbors(mut self, num_neighbors: i32) -> Self {
        self.num_neighbors = Some(num_neighbors);
        self
    }

    /// diskann: candidates while building, 10 to 1,000. The default is 100.
    pub fn search_list_size(mut self, search_list_size: i32) -> Self {
        self.search_list_size = Some(search_list_size);
        self
    }

    /// The options of the method, as SQL has them.
    pub(super) fn options(&self) -> Vec<(&'static str, String)> {
        let lists = match (self.method, self.lists) {
            (IndexMethod::Vchordrq, Some(lists)) => {
                let options = quote_literal(&format!("[build.internal]\nlists = [{lists}]"));
                Some(("options", options))
            }
            (_, lists) => lists.map(|lists| ("lists", lists.to_string())),
        };
        let number = |name, value: Option<i32>| Some((name, value?.to_string()));
        let options = [
            number("m", self.m),
            number("ef_construction", self.ef_construction),
            lists,
            number("num_neighbors", self.num_neighbors),
            number("search_list_size", self.search_list_size),
        ];
        options.into_iter().flatten().collect()
    }
}
