//! The SQL of a search.

use sea_orm::sea_query::{
    Asterisk, CommonTableExpression, Condition, Expr, ExprTrait, Func, IntoIden, JoinType, Order, Query,
    SelectStatement, WithClause, WithQuery,
};
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};

use super::expr::Metric;
use super::found::{Found, SearchableTrait};
use super::hit::DISTANCE;

/// What a search asks for, apart from its query.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) metric: Metric,
    pub(super) filter: Condition,
    pub(super) max_distance: Option<f64>,
    pub(super) limit: u64,
    pub(super) vectors: bool,
}

/// Rows that pgvector's HNSW scan looks at where nobody says otherwise; it finds no more than that in one go.
const DEFAULT_EF_SEARCH: u64 = 40;

/// A search as SeaORM sends it.
pub(super) enum SearchStatement {
    Plain(SelectStatement),
    Scanning(WithQuery),
}

impl SearchStatement {
    /// Both go through SeaORM's own statement types, so that a connection with access control can judge them.
    pub(super) async fn query_all<C: ConnectionTrait>(&self, db: &C) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Self::Plain(select) => db.query_all(select).await,
            Self::Scanning(query) => db.query_all(query).await,
        }
    }

    pub(super) fn build(&self) -> Statement {
        match self {
            Self::Plain(select) => DbBackend::Postgres.build(select),
            Self::Scanning(query) => DbBackend::Postgres.build(query),
        }
    }
}

impl Plan {
    pub(super) fn statement<E: SearchableTrait, F: Found<E>>(&self, query: &Expr) -> SearchStatement {
        let mut nearest = self.nearest::<E, F>(query);
        // An index scan stops after ef_search rows, whether or not they pass the filter: with a filter, or for a longer page, it has
        // to carry on.
        if self.filter.is_empty() && self.limit <= DEFAULT_EF_SEARCH {
            return SearchStatement::Plain(match self.max_distance {
                None => nearest,
                Some(max) => within(max, Query::select().column(Asterisk).from_subquery(nearest, "hits")),
            });
        }
        nearest.and_where(after("scan"));
        SearchStatement::Scanning(iterative_scan(nearest, self.max_distance))
    }

    /// The nearest rows: ordered by the bare operator expression, so that an index serves it.
    fn nearest<E: SearchableTrait, F: Found<E>>(&self, query: &Expr) -> SelectStatement {
        let distance = self.metric.between(E::embedding_column().into_expr(), query.clone());
        let mut select = Query::select();
        select.from(E::default().table_ref());
        for (column, name) in F::columns(self.vectors) {
            select.expr_as(column, name);
        }
        if let Some(relation) = F::join(!self.filter.is_empty()) {
            select.join(JoinType::InnerJoin, relation.to_tbl.clone(), Condition::from(relation));
        }
        if let Some(condition) = F::only() {
            select.and_where(condition);
        }
        if !self.filter.is_empty() {
            select.cond_where(self.filter.clone());
        }
        select
            .expr_as(distance.clone(), DISTANCE)
            .order_by_expr(distance, Order::Asc)
            .limit(self.limit);
        select
    }
}

/// The nearest rows are found first and cut afterwards: the same rows as with a condition inside, but an index scan need not go
/// through the rest of the table to learn that all of it is farther away.
fn within(max: f64, hits: &mut SelectStatement) -> SelectStatement {
    hits.and_where(Expr::col(DISTANCE).lte(max))
        .order_by(DISTANCE, Order::Asc)
        .take()
}

/// Wraps `nearest` so that pgvector's iterative scan holds for this statement alone: `scan` switches it on before the index scan
/// starts and remembers what was there, `restore` puts that back once all hits are in. One round trip, on any connection; a caller's
/// transaction goes on with its own settings.
fn iterative_scan(nearest: SelectStatement, max_distance: Option<f64>) -> WithQuery {
    // strict order for HNSW; IVFFlat only has the relaxed one, and the outer query sorts anyway
    let settings = [
        ("hnsw.iterative_scan", "strict_order"),
        ("ivfflat.iterative_scan", "relaxed_order"),
    ];
    let set_config = |setting: &str, value: Expr| Func::cust("set_config").args([setting.into(), value, true.into()]);

    // the columns of a select list are evaluated from left to right
    let mut scan = Query::select();
    let mut restore = Query::select();
    for (i, (setting, value)) in settings.into_iter().enumerate() {
        let before = format!("before_{i}");
        scan.expr_as(
            Func::cust("current_setting").args([setting.into(), true.into()]),
            before.clone(),
        );
        scan.expr_as(set_config(setting, value.into()), format!("during_{i}"));
        let before = Query::select().column(before).from("scan").take();
        restore.expr_as(
            set_config(setting, Func::coalesce([before.into(), Expr::val("off")]).into()),
            format!("after_{i}"),
        );
    }
    let all = Query::select()
        .expr(Func::count(Expr::col(Asterisk)))
        .from("hits")
        .take();
    restore.from_subquery(all, "found");

    let cte = |name: &'static str, query: SelectStatement| {
        CommonTableExpression::new()
            .table_name(name.into_iden())
            .query(query)
            .materialized(true)
            .to_owned()
    };
    let with = WithClause::new()
        .cte(cte("scan", scan))
        .cte(cte("hits", nearest))
        .cte(cte("restore", restore))
        .to_owned();

    let mut hits = Query::select();
    hits.column(("hits", Asterisk)).from("hits").and_where(after("restore"));
    match max_distance {
        Some(max) => within(max, &mut hits),
        None => hits.order_by(DISTANCE, Order::Asc).take(),
    }
    .with(with)
}

/// True, once the common table expression `name` has been evaluated: PostgreSQL checks a condition without columns before it
/// touches a row, also where there is none.
fn after(name: &'static str) -> Expr {
    let rows = Query::select().expr(Func::count(Expr::col(Asterisk))).from(name).take();
    Expr::from(rows).gt(0)
}

#[cfg(test)]
#[allow(unreachable_pub, reason = "SeaORM's entities are written with pub")]
pub(super) mod tests {
    use super::*;
    use crate::search::SearchTrait;
    use crate::search::error::SearchError;

    /// A source and a store as the derive makes them, by hand.
    pub(in crate::search) mod source {
        use sea_orm::entity::prelude::*;

        #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
        #[sea_orm(table_name = "posts")]
        pub struct Model {
            #[sea_orm(primary_key)]
            pub id: i32,
            pub title: String,
        }

        #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
        pub enum Relation {}

        impl ActiveModelBehavior for ActiveModel {}
    }

    pub(in crate::search) mod store {
        use sea_orm::RelationDef;
        use sea_orm::entity::prelude::*;

        use super::source;
        use crate::entity::EmbeddingTrait;

        #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
        #[sea_orm(table_name = "store")]
        pub struct Model {
            #[sea_orm(primary_key, auto_increment = false)]
            pub embedding_uuid: Uuid,
            pub id: i32,
            pub chunk_seq: i32,
            pub chunk: String,
            #[sea_orm(column_type = "Vector(Some(3))")]
            pub embedding: PgVector,
        }

        #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
        pub enum Relation {}

        impl ActiveModelBehavior for ActiveModel {}

        impl EmbeddingTrait for Entity {
            type Source = source::Entity;

            const DIMENSIONS: usize = 3;
            const VIEW_SCHEMA: Option<&'static str> = None;
            const VIEW_NAME: &'static str = "posts_embedding";

            fn source_column() -> source::Column {
                source::Column::Title
            }

            fn uuid_column() -> Column {
                Column::EmbeddingUuid
            }

            fn key_columns() -> Vec<Column> {
                vec![Column::Id]
            }

            fn chunk_seq_column() -> Column {
                Column::ChunkSeq
            }

            fn chunk_column() -> Column {
                Column::Chunk
            }

            fn embedding_column() -> Column {
                Column::Embedding
            }

            fn source_relation() -> RelationDef {
                Entity::belongs_to(source::Entity)
                    .from(Column::Id)
                    .to(source::Column::Id)
                    .into()
            }
        }
    }

    #[test]
    fn a_plain_search_is_one_select() {
        let statement = store::Entity::search([1.0, 2.0, 3.0]).limit(5).statement().unwrap();
        assert_eq!(
            statement.to_string(),
            r#"SELECT "store"."embedding_uuid" AS "c_embedding_uuid", "store"."id" AS "c_id", "store"."chunk_seq" AS "c_chunk_seq", "store"."chunk" AS "c_chunk", "store"."embedding" <=> '[1,2,3]' AS "distance" FROM "store" ORDER BY "store"."embedding" <=> '[1,2,3]' ASC LIMIT 5"#
        );
    }

    #[test]
    fn a_maximum_cuts_the_page_that_was_found() {
        let sql = store::Entity::search([1.0, 2.0, 3.0])
            .max_distance(0.5)
            .statement()
            .unwrap()
            .to_string();
        assert!(sql.starts_with("SELECT * FROM (SELECT "), "{sql}");
        assert!(
            sql.ends_with(r#"LIMIT 10) AS "hits" WHERE "distance" <= 0.5 ORDER BY "distance" ASC"#),
            "{sql}"
        );
    }

    #[test]
    fn a_filter_joins_the_source_and_scans_on() {
        let sql = store::Entity::search([1.0, 2.0, 3.0])
            .filter(source::Column::Title.contains("sea"))
            .metric(Metric::L2)
            .limit(5)
            .statement()
            .unwrap()
            .to_string();
        for part in [
            r#"FROM "store" INNER JOIN "posts" ON "store"."id" = "posts"."id" WHERE "posts"."title" LIKE '%sea%' AND (SELECT COUNT(*) FROM "scan") > 0 ORDER BY "store"."embedding" <-> '[1,2,3]' ASC LIMIT 5"#,
            r#"SELECT "hits".* FROM "hits" WHERE (SELECT COUNT(*) FROM "restore") > 0 ORDER BY "distance" ASC"#,
        ] {
            assert!(sql.contains(part), "{part}\nis not in\n{sql}");
        }
    }

    #[test]
    fn a_vector_of_the_wrong_length_is_refused_with_both_numbers() {
        let refused = store::Entity::search([1.0, 2.0]).statement().unwrap_err();
        assert!(matches!(
            refused,
            SearchError::Dimensions {
                expected: 3,
                actual: 2,
                ..
            }
        ));
        assert_eq!(
            refused.to_string(),
            "the query vector has 2 dimensions, those of store have 3: embed the query with the vectorizer's model"
        );
        let refused = store::Entity::search([1.0, f32::NAN, 0.0]).statement().unwrap_err();
        assert!(matches!(refused, SearchError::NotFinite { position: 1, .. }));
    }
}
