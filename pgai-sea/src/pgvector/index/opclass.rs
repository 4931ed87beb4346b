//! pgvector's access methods, types and operator classes.

use sea_orm::ColumnType;

use crate::pgvector::metric::Metric;

/// A way to index vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IndexMethod {
    /// A graph of neighbours. It has a better recall for the time of a search, and can be created on an empty table.
    Hnsw,
    /// Lists around centres. It is smaller and built faster. The centres are those of the rows that are there when it
    /// is built.
    IvfFlat,
    /// VectorChord's quantized lists, in the extension `vchord`.
    Vchordrq,
    /// pgvectorscale's graph on disk, in the extension `vectorscale`.
    DiskAnn,
}

impl IndexMethod {
    /// The most dimensions that an index holds.
    pub(super) fn max_dimensions(self, vector: VectorType) -> Option<u32> {
        match self {
            Self::Hnsw | Self::IvfFlat => vector.max_dimensions(),
            Self::Vchordrq => Some(60_000),
            Self::DiskAnn => Some(16_000),
        }
    }

    /// Its name in SQL.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hnsw => "hnsw",
            Self::IvfFlat => "ivfflat",
            Self::Vchordrq => "vchordrq",
            Self::DiskAnn => "diskann",
        }
    }
}

/// A type that pgvector indexes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VectorType {
    /// `vector`: numbers of 32 bits. An index holds up to 2,000 dimensions.
    #[default]
    Vector,
    /// `halfvec`: numbers of 16 bits. An index holds up to 4,000 dimensions.
    HalfVec,
    /// `sparsevec`: numbers that are mostly zero. An HNSW index holds up to 1,000 others of a row. IVFFlat does not
    /// index it.
    SparseVec,
    /// `bit`. An index holds up to 64,000 bits.
    Bit,
}

impl VectorType {
    /// Its name in SQL.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Vector => "vector",
            Self::HalfVec => "halfvec",
            Self::SparseVec => "sparsevec",
            Self::Bit => "bit",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        [Self::Vector, Self::HalfVec, Self::SparseVec, Self::Bit]
            .into_iter()
            .find(|vector| vector.name().eq_ignore_ascii_case(name))
    }

    /// The type and length of a column, as SeaORM writes it: `Vector(Some(3))`, `custom("halfvec(3)")`.
    pub(super) fn of_column(column_type: &ColumnType) -> Option<(Self, Option<u32>)> {
        match column_type {
            ColumnType::Vector(dimensions) => Some((Self::Vector, *dimensions)),
            ColumnType::Bit(length) => Some((Self::Bit, *length)),
            ColumnType::Custom(name) => {
                let name = name.to_string();
                let (name, length) = match name.split_once('(') {
                    Some((name, length)) => (name, length.trim_end_matches(')').trim().parse().ok()),
                    None => (name.as_str(), None),
                };
                Self::of_name(name.trim()).map(|vector| (vector, length))
            }
            _ => None,
        }
    }

    /// Whether a column of an entity is a `halfvec`.
    pub(crate) fn is_halfvec(column_type: &ColumnType) -> bool {
        matches!(Self::of_column(column_type), Some((Self::HalfVec, _)))
    }

    /// The most dimensions that an index of pgvector holds. `None`: their number is not limited.
    pub(crate) fn max_dimensions(self) -> Option<u32> {
        match self {
            Self::Vector => Some(2_000),
            Self::HalfVec => Some(4_000),
            Self::SparseVec => None,
            Self::Bit => Some(64_000),
        }
    }
}

/// The operator class of a type for a distance. pgvector does not have all of them, see [`opclasses`].
pub(super) fn opclass(vector: VectorType, metric: Metric) -> String {
    format!("{}_{}_ops", vector.name(), metric.word())
}

/// The operator class that a vectorizer's index has on a column of type `column_type`: `opclass`, which the
/// configuration names for `vector`, or its default, for the type of the column.
#[cfg(feature = "worker")]
pub(crate) fn opclass_on(column_type: &str, opclass_of_vector: Option<&str>) -> String {
    let metric = |opclass: &str| Metric::of_word(opclass.strip_prefix("vector_")?.strip_suffix("_ops")?);
    let named = match opclass_of_vector {
        Some(named) => metric(named).ok_or(named),
        None => Ok(Metric::default()),
    };
    match (named, VectorType::of_name(column_type)) {
        (Ok(metric), vector) => opclass(vector.unwrap_or_default(), metric),
        // another one than those of pgvector
        (Err(named), _) => named.to_owned(),
    }
}

/// The operator classes that there are.
pub(super) fn opclasses(method: IndexMethod, vector: VectorType) -> Vec<String> {
    use Metric::{Cosine, Hamming, InnerProduct, Jaccard, L1, L2};

    let metrics: &[Metric] = match (method, vector) {
        (IndexMethod::Hnsw, VectorType::Bit) => &[Hamming, Jaccard],
        (IndexMethod::Hnsw, _) => &[Cosine, L2, InnerProduct, L1],
        (IndexMethod::IvfFlat, VectorType::Bit) => &[Hamming],
        (IndexMethod::IvfFlat, VectorType::SparseVec)
        | (IndexMethod::Vchordrq, VectorType::SparseVec | VectorType::Bit)
        | (IndexMethod::DiskAnn, VectorType::HalfVec | VectorType::SparseVec | VectorType::Bit) => &[],
        (IndexMethod::IvfFlat | IndexMethod::Vchordrq | IndexMethod::DiskAnn, _) => &[Cosine, L2, InnerProduct],
    };
    metrics.iter().map(|metric| opclass(vector, *metric)).collect()
}
