//! The rules of pgvector, and options that would have no effect.

use super::create::CreateVectorIndex;
use super::opclass::{IndexMethod, VectorType, opclass, opclasses};
use crate::config::{ConfigError, Hnsw, check_identifier, check_range};
use crate::pgvector::expr::Quantization;

impl CreateVectorIndex {
    /// Returns the schema and the name of the table.
    pub(super) fn check(&self) -> Result<(Option<&str>, &str), ConfigError> {
        let Some((schema, table)) = &self.table else {
            return refuse("table", "is not the name of a table");
        };
        if let Some(schema) = schema {
            check_identifier("schema", schema)?;
        }
        check_identifier("table", table)?;
        check_identifier("column", &self.column)?;
        self.check_type()?;
        self.check_options()?;
        self.check_opclass()?;
        self.check_name()?;
        Ok((schema.as_deref(), table))
    }

    fn check_type(&self) -> Result<(), ConfigError> {
        let Some(column) = self.column_type else {
            let problem = format!(
                "the type of column {:?} is none that pgvector indexes; if the database has another, set it",
                self.column
            );
            return refuse("column_type", problem);
        };
        let quantized = match (self.quantization, column) {
            (Some(Quantization::HalfVec), VectorType::Vector) => Some("halfvec"),
            (Some(Quantization::Binary), VectorType::Vector | VectorType::HalfVec) => Some("binary"),
            (Some(Quantization::HalfVec), _) => {
                return refuse("halfvec", format!("the column is {} already", column.name()));
            }
            (Some(Quantization::Binary), _) => {
                return refuse(
                    "binary",
                    format!("pgvector has no binary_quantize of {}", column.name()),
                );
            }
            (None, _) => None,
        };
        match (quantized, self.dimensions) {
            (Some(setter), None) => refuse(setter, "needs `dimensions`, which are part of the indexed expression"),
            (_, Some(0)) => refuse("dimensions", "0 is less than 1"),
            (_, Some(dimensions)) => self.check_dimensions(dimensions),
            (None, None) => Ok(()),
        }
    }

    fn check_dimensions(&self, dimensions: u32) -> Result<(), ConfigError> {
        let vector = self.indexed_type();
        match self.method.max_dimensions(vector) {
            Some(max) if dimensions > max => {
                let smaller: &[_] = match vector {
                    VectorType::Vector => &[("halfvec", VectorType::HalfVec), ("binary", VectorType::Bit)],
                    VectorType::HalfVec => &[("binary", VectorType::Bit)],
                    _ => &[],
                };
                let smaller = smaller.iter().filter_map(|(setter, vector)| {
                    let max = vector.max_dimensions()?;
                    Some(format!("`{setter}` indexes up to {max}"))
                });
                let mut problem = format!("{dimensions} is more than an index on {} holds, {max}", vector.name());
                for (i, instead) in smaller.enumerate() {
                    problem += if i == 0 { ": " } else { ", " };
                    problem += &instead;
                }
                refuse("dimensions", problem)
            }
            _ => Ok(()),
        }
    }

    fn check_options(&self) -> Result<(), ConfigError> {
        let own: &[_] = match self.method {
            IndexMethod::Hnsw => &["m", "ef_construction"],
            IndexMethod::IvfFlat | IndexMethod::Vchordrq => &["lists"],
            IndexMethod::DiskAnn => &["num_neighbors", "search_list_size"],
        };
        for (setter, value) in [
            ("m", self.m),
            ("ef_construction", self.ef_construction),
            ("lists", self.lists),
            ("num_neighbors", self.num_neighbors),
            ("search_list_size", self.search_list_size),
        ] {
            if value.is_some() && !own.contains(&setter) {
                return refuse(setter, format!("{} has no such option", self.method.name()));
            }
        }
        let most_lists = if self.method == IndexMethod::IvfFlat {
            32_768
        } else {
            i32::MAX
        };
        check_range("lists", self.lists, 1..=most_lists)?;
        check_range("num_neighbors", self.num_neighbors, 10..=1_000)?;
        check_range("search_list_size", self.search_list_size, 10..=1_000)?;
        Hnsw::check_build(self.m, self.ef_construction)
    }

    fn check_opclass(&self) -> Result<(), ConfigError> {
        let vector = self.indexed_type();
        if let (Some(given), Some(metric)) = (&self.opclass, self.metric)
            && *given != opclass(vector, metric)
        {
            return refuse(
                "opclass",
                format!("{given:?} serves another metric than the one that is set: set one of the two"),
            );
        }
        let (wanted, known) = (self.operator_class(), opclasses(self.method, vector));
        if known.contains(&wanted) {
            return Ok(());
        }
        let setter = if self.opclass.is_some() { "opclass" } else { "metric" };
        let (method, vector) = (self.method.name(), vector.name());
        if known.is_empty() {
            return refuse("column_type", format!("{method} does not index {vector}, hnsw does"));
        }
        let problem = format!(
            "{method} has no operator class {wanted:?} for {vector}, only {}",
            known.join(", ")
        );
        refuse(setter, problem)
    }

    fn check_name(&self) -> Result<(), ConfigError> {
        if self.name.is_none() && !self.filter.is_empty() {
            return refuse(
                "name",
                "is required with `filter`, because the default name does not say what is filtered",
            );
        }
        check_identifier("name", &self.index_name())
    }
}

fn refuse<T>(setter: &str, problem: impl Into<String>) -> Result<T, ConfigError> {
    Err(ConfigError::new(setter, problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::entities::vectorizer;
    use crate::config::Indexing;
    use crate::pgvector::metric::Metric;

    fn hnsw() -> CreateVectorIndex {
        CreateVectorIndex::hnsw("items", "embedding")
    }

    fn ivfflat() -> CreateVectorIndex {
        CreateVectorIndex::ivfflat("items", "embedding")
    }

    fn diskann() -> CreateVectorIndex {
        CreateVectorIndex::diskann("items", "embedding")
    }

    fn vchordrq() -> CreateVectorIndex {
        CreateVectorIndex::vchordrq("items", "embedding")
    }

    #[test]
    fn what_pgvector_would_refuse_is_refused_with_the_setter() {
        use VectorType::{Bit, HalfVec, SparseVec};

        for (create, setter) in [
            (hnsw().m(1), "m"),
            (hnsw().m(101), "m"),
            (hnsw().ef_construction(3), "ef_construction"),
            (hnsw().ef_construction(1001), "ef_construction"),
            (hnsw().m(16).ef_construction(31), "ef_construction"),
            (hnsw().m(33), "ef_construction"), // 64 by default
            (hnsw().lists(10), "lists"),
            (ivfflat().lists(0), "lists"),
            (ivfflat().lists(32_769), "lists"),
            (ivfflat().m(16), "m"),
            (ivfflat().num_neighbors(50), "num_neighbors"),
            (diskann().m(16), "m"),
            (diskann().lists(10), "lists"),
            (diskann().num_neighbors(9), "num_neighbors"),
            (diskann().search_list_size(1_001), "search_list_size"),
            (diskann().dimensions(16_001), "dimensions"),
            (diskann().dimensions(8).halfvec(), "column_type"),
            (diskann().metric(Metric::L1), "metric"),
            (vchordrq().lists(0), "lists"),
            (vchordrq().search_list_size(100), "search_list_size"),
            (vchordrq().dimensions(60_001), "dimensions"),
            (vchordrq().column_type(Bit), "column_type"),
            (vchordrq().column_type(SparseVec), "column_type"),
            (vchordrq().metric(Metric::L1), "metric"),
            (ivfflat().ef_construction(64), "ef_construction"),
            (hnsw().dimensions(0), "dimensions"),
            (hnsw().dimensions(2_001), "dimensions"),
            (ivfflat().dimensions(2_001), "dimensions"),
            (hnsw().column_type(HalfVec).dimensions(4_001), "dimensions"),
            (hnsw().column_type(Bit).dimensions(64_001), "dimensions"),
            (hnsw().dimensions(4_001).halfvec(), "dimensions"),
            (hnsw().dimensions(64_001).binary(), "dimensions"),
            (hnsw().halfvec(), "halfvec"),
            (hnsw().binary(), "binary"),
            (hnsw().column_type(HalfVec).dimensions(8).halfvec(), "halfvec"),
            (hnsw().column_type(Bit).dimensions(8).binary(), "binary"),
            (hnsw().metric(Metric::Hamming), "metric"),
            (hnsw().column_type(Bit).metric(Metric::Cosine), "metric"),
            (hnsw().dimensions(8).binary().metric(Metric::L2), "metric"),
            (ivfflat().metric(Metric::L1), "metric"),
            (ivfflat().column_type(Bit).metric(Metric::Jaccard), "metric"),
            (ivfflat().column_type(SparseVec), "column_type"),
            (hnsw().opclass("vector_l3_ops"), "opclass"),
            (hnsw().opclass("halfvec_l2_ops"), "opclass"),
            (ivfflat().opclass("vector_l1_ops"), "opclass"),
            (hnsw().opclass("vector_l1_ops").metric(Metric::L2), "opclass"),
            (hnsw().name("x".repeat(64)), "name"),
            (CreateVectorIndex::hnsw("x".repeat(40), "y".repeat(40)), "name"),
            (hnsw().filter(sea_orm::sea_query::Expr::cust("true")), "name"),
            (CreateVectorIndex::hnsw("items", ""), "column"),
            (CreateVectorIndex::hnsw(("", "items"), "embedding"), "schema"),
            (CreateVectorIndex::hnsw_of(vectorizer::Column::Name), "column_type"),
        ] {
            let refused = create.to_sql().unwrap_err();
            assert_eq!(refused.setter(), setter, "{create:?}: {refused}");
        }
    }

    /// `ai.indexing_hnsw` takes the operator classes of pgvector for `vector`.
    #[test]
    fn a_vectorizers_index_has_the_operator_classes_of_any_other() {
        for opclass in opclasses(IndexMethod::Hnsw, VectorType::Vector) {
            assert_eq!(Indexing::hnsw().opclass(opclass).check(), Ok(()));
        }
    }

    #[test]
    fn the_bounds_themselves_are_fine() {
        use VectorType::{Bit, HalfVec, SparseVec};

        for create in [
            hnsw().m(2).ef_construction(4),
            hnsw().m(100).ef_construction(1000),
            hnsw().m(32),
            diskann().dimensions(16_000).num_neighbors(10).search_list_size(1_000),
            vchordrq().dimensions(60_000).lists(40_000).metric(Metric::InnerProduct),
            vchordrq().dimensions(4_000).halfvec(),
            ivfflat().lists(1),
            ivfflat().lists(32_768),
            hnsw().dimensions(2_000),
            hnsw().column_type(HalfVec).dimensions(4_000),
            hnsw().dimensions(4_000).halfvec(),
            hnsw().dimensions(64_000).binary(),
            hnsw().column_type(SparseVec).dimensions(1_000_000),
            hnsw().column_type(Bit).metric(Metric::Jaccard),
            hnsw().column_type(HalfVec).dimensions(8).binary(),
            hnsw().opclass("vector_l1_ops").metric(Metric::L1),
            CreateVectorIndex::hnsw_of(vectorizer::Column::Name).column_type(Bit),
        ] {
            assert!(create.to_sql().is_ok(), "{create:?}: {:?}", create.to_sql());
        }
    }
}
