//! `CREATE INDEX`.

use sea_orm::sea_query::{Condition, Expr, IntoCondition, IntoIden, IntoTableRef, PostgresQueryBuilder, Query};
use sea_orm::{ColumnTrait, DbBackend, EntityName, Statement};

use super::opclass::{IndexMethod, VectorType, opclass};
use super::statement::IndexStatement;
use crate::config::ConfigError;
use crate::pgvector::expr::Quantization;
use crate::pgvector::metric::Metric;
use crate::sql::{qualified, quote_identifier, table_name};

/// Creates an index on vectors. Options that are not set are not written, so pgvector's defaults hold.
///
/// ```
/// use pgai_sea::pgvector::CreateVectorIndex;
///
/// # fn main() -> Result<(), pgai_sea::config::ConfigError> {
/// assert_eq!(
///     CreateVectorIndex::hnsw("blog_posts_embedding_store", "embedding")
///         .concurrently(true)
///         .if_not_exists(true)
///         .to_sql()?,
///     r#"CREATE INDEX CONCURRENTLY IF NOT EXISTS "blog_posts_embedding_store_embedding_hnsw_vector_cosine" "#
///         .to_owned()
///         + r#"ON "blog_posts_embedding_store" USING hnsw ("embedding" vector_cosine_ops)"#
/// );
/// assert_eq!(
///     CreateVectorIndex::ivfflat(("shop", "items"), "embedding").lists(1000).name("by_meaning").to_sql()?,
///     r#"CREATE INDEX "by_meaning" ON "shop"."items" USING ivfflat ("embedding" vector_cosine_ops) "#.to_owned()
///         + "WITH (lists = 1000)"
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct CreateVectorIndex {
    pub(super) method: IndexMethod,
    /// `None` if the table was given as something else, such as a subquery.
    pub(super) table: Option<(Option<String>, String)>,
    pub(super) column: String,
    /// `None` if no index takes the type of the column.
    pub(super) column_type: Option<VectorType>,
    pub(super) dimensions: Option<u32>,
    pub(super) quantization: Option<Quantization>,
    pub(super) metric: Option<Metric>,
    pub(super) opclass: Option<String>,
    pub(super) name: Option<String>,
    pub(super) m: Option<i32>,
    pub(super) ef_construction: Option<i32>,
    pub(super) lists: Option<i32>,
    pub(super) num_neighbors: Option<i32>,
    pub(super) search_list_size: Option<i32>,
    pub(super) concurrently: bool,
    pub(super) if_not_exists: bool,
    pub(super) filter: Condition,
}

impl CreateVectorIndex {
    /// An HNSW index on a column of a table. Name the table `"items"`, which PostgreSQL finds along its search path, or
    /// `("shop", "items")`. `"shop.items"` is a table with a dot in its name.
    ///
    /// The column is a `vector` unless [`column_type`](Self::column_type) says otherwise.
    pub fn hnsw(table: impl IntoTableRef, column: impl IntoIden) -> Self {
        Self::new(IndexMethod::Hnsw, table, column)
    }

    /// An IVFFlat index on a column of a table, named as for [`hnsw`](Self::hnsw). Create it once the rows are there,
    /// because its lists are made from them.
    pub fn ivfflat(table: impl IntoTableRef, column: impl IntoIden) -> Self {
        Self::new(IndexMethod::IvfFlat, table, column)
    }

    /// An HNSW index on an entity's column, which knows its table, type and dimensions.
    ///
    /// The entity changes over time, and a migration should not. Use [`hnsw`](Self::hnsw) there.
    ///
    /// ```
    /// # mod blog_post {
    /// #     use pgai_sea::Vectorizer;
    /// #     use sea_orm::entity::prelude::*;
    /// #     #[sea_orm::model]
    /// #     #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    /// #     #[sea_orm(table_name = "blog_posts")]
    /// #     pub struct Model {
    /// #         #[sea_orm(primary_key)]
    /// #         pub id: i32,
    /// #         #[vectorizer(dimensions = 3072)]
    /// #         pub content: String,
    /// #     }
    /// #     impl ActiveModelBehavior for ActiveModel {}
    /// # }
    /// use blog_post::content_embeddings;
    /// use pgai_sea::pgvector::CreateVectorIndex;
    ///
    /// # fn main() -> Result<(), pgai_sea::config::ConfigError> {
    /// let create = CreateVectorIndex::hnsw_of(content_embeddings::Column::Embedding);
    /// assert_eq!(
    ///     create.to_sql().unwrap_err().to_string(),
    ///     "`dimensions`: 3072 is more than an index on vector holds, 2000: `halfvec` indexes up to 4000, \
    ///      `binary` indexes up to 64000"
    /// );
    /// assert_eq!(
    ///     create.halfvec().to_sql()?,
    ///     r#"CREATE INDEX "blog_posts_embedding_store_embedding_hnsw_halfvec_cosine" "#.to_owned()
    ///         + r#"ON "blog_posts_embedding_store" USING hnsw "#
    ///         + r#"((CAST("embedding" AS halfvec(3072))) halfvec_cosine_ops)"#
    /// );
    /// # Ok(())
    /// # }
    /// ```
    pub fn hnsw_of(column: impl ColumnTrait) -> Self {
        Self::of(IndexMethod::Hnsw, column)
    }

    /// An IVFFlat index on an entity's column, which knows its table, type and dimensions. See
    /// [`hnsw_of`](Self::hnsw_of).
    pub fn ivfflat_of(column: impl ColumnTrait) -> Self {
        Self::of(IndexMethod::IvfFlat, column)
    }

    pub(super) fn new(method: IndexMethod, table: impl IntoTableRef, column: impl IntoIden) -> Self {
        Self {
            method,
            table: table_name(table), // none of a subquery: `check` says so
            column: column.into_iden().inner().into_owned(),
            column_type: Some(VectorType::default()),
            dimensions: None,
            quantization: None,
            metric: None,
            opclass: None,
            name: None,
            m: None,
            ef_construction: None,
            lists: None,
            num_neighbors: None,
            search_list_size: None,
            concurrently: false,
            if_not_exists: false,
            filter: Condition::all(),
        }
    }

    fn of<C: ColumnTrait>(method: IndexMethod, column: C) -> Self {
        let table = C::EntityName::default().table_ref();
        let vector = VectorType::of_column(column.def().get_column_type());
        Self {
            column_type: vector.map(|(vector, _)| vector),
            dimensions: vector.and_then(|(_, dimensions)| dimensions),
            ..Self::new(method, table, column.as_str())
        }
    }

    /// The column's type; by default `vector`.
    pub fn column_type(mut self, column_type: VectorType) -> Self {
        self.column_type = Some(column_type);
        self
    }

    /// The column's number of dimensions, or of bits. [`halfvec`](Self::halfvec) and [`binary`](Self::binary) need it.
    /// Otherwise it is checked against the limit of an index.
    pub fn dimensions(mut self, dimensions: u32) -> Self {
        self.dimensions = Some(dimensions);
        self
    }

    /// Indexes the column's vectors as numbers of 16 bits: half the memory, and up to 4,000 dimensions.
    ///
    /// It serves a query that orders by [`cast_halfvec`](crate::pgvector::VectorExprTrait::cast_halfvec) of the column,
    /// not by the column.
    pub fn halfvec(mut self) -> Self {
        self.quantization = Some(Quantization::HalfVec);
        self
    }

    /// Indexes a bit for each number of the column's vectors: a thirty-second of the memory, and up to 64,000
    /// dimensions. The metric is [`Metric::Hamming`], which is the default, or [`Metric::Jaccard`].
    ///
    /// It serves a query that orders by [`binary_quantize`](crate::pgvector::VectorExprTrait::binary_quantize) and
    /// [`cast_bit`](crate::pgvector::VectorExprTrait::cast_bit) of the column. Such a query fetches more rows than are
    /// wanted, and orders them by the column itself.
    ///
    /// ```
    /// use pgai_sea::pgvector::CreateVectorIndex;
    ///
    /// # fn main() -> Result<(), pgai_sea::config::ConfigError> {
    /// assert_eq!(
    ///     CreateVectorIndex::hnsw("items", "embedding").dimensions(768).binary().to_sql()?,
    ///     r#"CREATE INDEX "items_embedding_hnsw_bit_hamming" ON "items" "#.to_owned()
    ///         + r#"USING hnsw ((CAST(binary_quantize("embedding") AS bit(768))) bit_hamming_ops)"#
    /// );
    /// # Ok(())
    /// # }
    /// ```
    pub fn binary(mut self) -> Self {
        self.quantization = Some(Quantization::Binary);
        self
    }

    /// The metric that the index serves; it serves no other. The default is cosine, and Hamming for bits. It decides
    /// the operator class.
    pub fn metric(mut self, metric: Metric) -> Self {
        self.metric = Some(metric);
        self
    }

    /// The operator class by its name, instead of a metric: `vector_ip_ops`.
    pub fn opclass(mut self, opclass: impl Into<String>) -> Self {
        self.opclass = Some(opclass.into());
        self
    }

    /// The name of the index. The default has table, column, method, type and metric:
    /// `items_embedding_hnsw_vector_cosine`. A [`filter`](Self::filter) needs a name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// HNSW: links of a node, 2 to 100. The default is 16.
    pub fn m(mut self, m: i32) -> Self {
        self.m = Some(m);
        self
    }

    /// HNSW: candidates while building, 4 to 1,000 and at least twice `m`. The default is 64.
    pub fn ef_construction(mut self, ef_construction: i32) -> Self {
        self.ef_construction = Some(ef_construction);
        self
    }

    /// IVFFlat: lists, 1 to 32,768. The default is 100. pgvector advises a thousandth of the rows, and their square
    /// root beyond a million. vchordrq: lists, by default none.
    pub fn lists(mut self, lists: i32) -> Self {
        self.lists = Some(lists);
        self
    }

    /// Whether writers carry on while the index is built. That takes longer. By default writers wait. PostgreSQL
    /// refuses it inside a transaction: a migration's `use_transaction` has to return `Some(false)`.
    pub fn concurrently(mut self, concurrently: bool) -> Self {
        self.concurrently = concurrently;
        self
    }

    /// Does nothing if there is an index of this name already, whatever it is on.
    pub fn if_not_exists(mut self, if_not_exists: bool) -> Self {
        self.if_not_exists = if_not_exists;
        self
    }

    /// Indexes only rows for which `condition` holds. The index serves queries with the same condition. Several filters
    /// hold together.
    ///
    /// ```
    /// use pgai_sea::pgvector::CreateVectorIndex;
    /// use sea_orm::sea_query::{Expr, ExprTrait};
    ///
    /// # fn main() -> Result<(), pgai_sea::config::ConfigError> {
    /// let create = CreateVectorIndex::hnsw("items", "embedding")
    ///     .name("items_on_sale_by_meaning")
    ///     .filter(Expr::col("on_sale").eq(true))
    ///     .filter(Expr::col("shelf").ne("it's"));
    /// assert_eq!(
    ///     create.to_sql()?,
    ///     r#"CREATE INDEX "items_on_sale_by_meaning" ON "items" USING hnsw ("embedding" vector_cosine_ops) "#
    ///         .to_owned()
    ///         + r#"WHERE "on_sale" = TRUE AND "shelf" <> E'it\'s'"#
    /// );
    /// # Ok(())
    /// # }
    /// ```
    pub fn filter(mut self, condition: impl IntoCondition) -> Self {
        self.filter = self.filter.add(condition.into_condition());
        self
    }

    /// The type that is indexed: of the column, or of its quantized vectors.
    pub(super) fn indexed_type(&self) -> VectorType {
        match self.quantization {
            Some(Quantization::HalfVec) => VectorType::HalfVec,
            Some(Quantization::Binary) => VectorType::Bit,
            None => self.column_type.unwrap_or_default(),
        }
    }

    pub(super) fn operator_class(&self) -> String {
        self.opclass.clone().unwrap_or_else(|| {
            let vector = self.indexed_type();
            let default = match vector {
                VectorType::Bit => Metric::Hamming,
                _ => Metric::Cosine,
            };
            opclass(vector, self.metric.unwrap_or(default))
        })
    }

    /// The name of the index, set or by default.
    #[must_use]
    pub fn index_name(&self) -> String {
        self.name.clone().unwrap_or_else(|| {
            let table = self.table.as_ref().map_or("", |(_, table)| table);
            let opclass = self.operator_class();
            let indexed = opclass.strip_suffix("_ops").unwrap_or(&opclass);
            format!("{table}_{}_{}_{indexed}", self.column, self.method.name())
        })
    }

    /// The name of the index for `to_regclass`.
    #[cfg(feature = "migration")]
    pub(crate) fn regclass(&self) -> String {
        let schema = self.table.as_ref().and_then(|(schema, _)| schema.as_deref());
        super::statement::relation(schema, &self.index_name())
    }

    #[cfg(feature = "migration")]
    pub(crate) fn is_concurrent(&self) -> bool {
        self.concurrently
    }

    #[cfg(feature = "migration")]
    pub(crate) fn may_exist(&self) -> bool {
        self.if_not_exists
    }

    /// The statement as text. PostgreSQL takes no parameters here, so the values of a filter are literals.
    ///
    /// # Errors
    ///
    /// An option that pgvector would refuse. The error names the setter.
    pub fn to_sql(&self) -> Result<String, ConfigError> {
        self.to_sql_with(None)
    }

    /// The statement for a connection whose search path does not lead to pgvector's schema, if that is named.
    pub(crate) fn to_sql_with(&self, pgvector: Option<&str>) -> Result<String, ConfigError> {
        let (schema, table) = self.check()?;
        if let (Some(pgvector), Some(_)) = (pgvector, self.quantization) {
            return Err(ConfigError::new(
                "quantized",
                format!(
                    "a quantized index names types of pgvector, which is in the schema {pgvector:?}: add that schema \
                    to \
                     the search_path of this connection"
                ),
            ));
        }
        let opclass = self.operator_class();
        let statement = IndexStatement {
            name: &self.index_name(),
            schema,
            table,
            method: self.method.name(),
            indexed: self.indexed(),
            opclass: Some(pgvector.map_or_else(|| opclass.clone(), |schema| qualified(schema, &opclass))),
            options: self.options(),
            concurrently: self.concurrently,
            if_not_exists: self.if_not_exists,
            filter: (!self.filter.is_empty()).then(|| expression(self.filter.clone().into())),
        };
        Ok(statement.to_sql())
    }

    /// The statement.
    ///
    /// # Errors
    ///
    /// As [`to_sql`](Self::to_sql).
    pub fn statement(&self) -> Result<Statement, ConfigError> {
        Ok(Statement::from_string(DbBackend::Postgres, self.to_sql()?))
    }

    /// The column, or in parentheses the expression that a quantized search orders by.
    fn indexed(&self) -> String {
        match (self.quantization, self.dimensions) {
            // `check` refuses a quantization without dimensions
            (None, _) | (_, None) => quote_identifier(&self.column),
            (Some(quantization), Some(dimensions)) => {
                let quantized = quantization.of(Expr::col(self.column.clone()), dimensions);
                format!("({})", expression(quantized))
            }
        }
    }
}

/// An expression with its values as literals.
fn expression(expr: Expr) -> String {
    let select = Query::select().expr(expr).to_string(PostgresQueryBuilder);
    select.strip_prefix("SELECT ").unwrap_or(&select).to_owned()
}
