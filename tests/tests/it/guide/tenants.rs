//! The page on tenants.

use std::sync::Arc;

use pgai_sea::prelude::*;
use pgai_sea::worker::Worker;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_catalog};
use sea_orm::{ConnectionTrait, DatabaseConnection, EntityTrait};

use crate::pages::Page;
use crate::readme::model768;

const PAGE: Page = Page(include_str!("../../../../pgai-sea/src/guide/tenants.md"));

mod document {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "tenant_documents")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub tenant: String,
        #[vectorizer(dimensions = 768)]
        pub body: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

use document::body_embeddings;

async fn search(db: DatabaseConnection, query_vector: Vec<f32>, tenant: &str) -> Result<Vec<i32>, sea_orm::DbErr> {
    use pgai_sea::prelude::*;
    use sea_orm::ColumnTrait;

    let hits = document::Entity::search(query_vector)
        .filter(document::Column::Tenant.eq(tenant))
        .limit(10)
        .all(&db)
        .await?;

    let mut found: Vec<_> = hits.iter().map(|hit| hit.source.id).collect();
    found.sort_unstable();
    Ok(found)
}

/// Rows of a tenant, and many more of another.
async fn documents(test: &TestDatabase, tenant: &str, more: &str) -> TestResult {
    test.execute(&format!(
        "insert into tenant_documents values (1, '{tenant}', 'ours'), (2, 'other', 'theirs'), (3, '{tenant}',
            'ours too');
         select ai.create_vectorizer('tenant_documents', name => 'documents', loading => ai.loading_column('body'),
            embedding => ai.embedding_openai('text-embedding-3-small', 768){more})"
    ))
    .await?;
    Ok(())
}

const TABLE: &str = "create table tenant_documents (id int primary key, tenant text not null, body text not null)";

#[tokio::test]
async fn a_filter_keeps_tenants_apart() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(TABLE).await?;
        documents(&test, "us", "").await?;
        super::embed(&test).await?;
        let vector = vec![0.5; 768];
        assert_eq!(search(test.db.clone(), vector.clone(), "us").await?, [1, 3]);
        assert_eq!(search(test.db.clone(), vector, "nobody").await?, [0; 0]);
        Ok(())
    })
    .await;
}

/// The statements of a page's block, for roles of this test's own.
fn block(words: &str, acme: &str, embedder: &str) -> String {
    PAGE.block("sql", words)
        .replace("acme", acme)
        .replace("embedder", embedder)
}

/// The chunks that each kind of search finds, as somebody searches who forgot to filter.
#[allow(clippy::too_many_lines, reason = "a list")]
async fn found(db: &DatabaseConnection) -> Result<Vec<(&'static str, Vec<String>)>, sea_orm::DbErr> {
    let query = || body_embeddings::Entity::search(vec![0.5; 768]).limit(50);
    let of_source = || document::Entity::search(vec![0.5; 768]).limit(50);
    let chunks = |hits: Vec<String>| {
        let mut chunks = hits;
        chunks.sort_unstable();
        chunks
    };
    let text = || FullText::any("ours theirs too");
    let ranked = query().hybrid(text()).all(db).await?.into_iter();
    let diverse = query().diversify(0.5).all(db).await?.into_iter();
    Ok(vec![
        (
            "vectors",
            chunks(
                query()
                    .all(db)
                    .await?
                    .into_iter()
                    .map(|hit| hit.embedding.chunk)
                    .collect(),
            ),
        ),
        (
            "exact",
            chunks(
                query()
                    .exact()
                    .all(db)
                    .await?
                    .into_iter()
                    .map(|hit| hit.embedding.chunk)
                    .collect(),
            ),
        ),
        (
            "near",
            chunks(
                query()
                    .max_distance(2.0)
                    .all(db)
                    .await?
                    .into_iter()
                    .map(|hit| hit.embedding.chunk)
                    .collect(),
            ),
        ),
        (
            "with source",
            chunks(
                query()
                    .with_source()
                    .all(db)
                    .await?
                    .into_iter()
                    .map(|hit| hit.source.body)
                    .collect(),
            ),
        ),
        (
            "grouped",
            chunks(
                query()
                    .best_per_source()
                    .all(db)
                    .await?
                    .into_iter()
                    .map(|hit| hit.embedding.chunk)
                    .collect(),
            ),
        ),
        (
            "source",
            chunks(
                of_source()
                    .all(db)
                    .await?
                    .into_iter()
                    .map(|hit| hit.source.body)
                    .collect(),
            ),
        ),
        (
            "quantized",
            chunks(
                query()
                    .quantized(Quantized::halfvec())
                    .all(db)
                    .await?
                    .into_iter()
                    .map(|hit| hit.embedding.chunk)
                    .collect(),
            ),
        ),
        (
            "hybrid",
            chunks(ranked.map(|ranked| ranked.hit.embedding.chunk).collect()),
        ),
        (
            "diverse",
            chunks(diverse.map(|ranked| ranked.hit.embedding.chunk).collect()),
        ),
        (
            "plain",
            chunks(
                body_embeddings::Entity::find()
                    .all(db)
                    .await?
                    .into_iter()
                    .map(|row| row.chunk)
                    .collect(),
            ),
        ),
    ])
}

#[tokio::test]
async fn the_policies_of_the_page_keep_tenants_apart_in_every_search() {
    on_catalog(Catalog::Ours, async |test| {
        let (acme, embedder) = (test.role("acme").await?, test.role("embedder").await?);
        test.execute(TABLE).await?;
        test.execute(&block(
            "create policy own_rows on tenant_documents using",
            &acme,
            &embedder,
        ))
        .await?;
        documents(&test, &acme, &format!(", grant_to => ai.grant_to('{embedder}')")).await?;
        test.execute(&format!("grant usage on schema public to {acme}")).await?;
        test.execute(&block("grant select", &acme, &embedder)).await?;
        test.execute("insert into tenant_documents select i, 'other', 'theirs ' || i from generate_series(10, 400) i")
            .await?;

        // a worker that is neither owner nor superuser, and has no policy
        let of_worker = test.connect_as(&embedder).await?;
        let report = Worker::new(of_worker.clone())
            .embedder("openai", "text-embedding-3-small", Arc::new(model768()))
            .run_once()
            .await?;
        assert_eq!((report.rows(), report.errors().count()), (394, 0), "{report:?}");
        test.execute(
            "create index on tenant_documents_embedding_store using hnsw (embedding vector_cosine_ops);
             analyze tenant_documents, tenant_documents_embedding_store",
        )
        .await?;

        let db = test.connect_as(&acme).await?;
        for (kind, chunks) in found(&db).await? {
            assert_eq!(chunks, ["ours", "ours too"], "{kind}");
        }
        let mut of_tenant = test.clone();
        of_tenant.db = db.clone();
        let view = of_tenant
            .values::<String>("select chunk from tenant_documents_embedding order by 1")
            .await?;
        assert_eq!(view, ["ours", "ours too"]);
        assert_eq!(search(db.clone(), vec![0.5; 768], "other").await?, [0; 0]);
        assert_eq!(body_embeddings::Entity::search(vec![0.5; 768]).count(&db).await?, 2);
        // the index still serves the search, and the policy the rows that it finds
        db.execute_unprepared("set enable_seqscan = off").await?;
        let plan = body_embeddings::Entity::search(vec![0.5; 768]).explain(&db).await?;
        assert_eq!(
            plan.index(),
            Some("tenant_documents_embedding_store_embedding_idx"),
            "{}",
            plan.plan()
        );
        assert!(plan.plan().contains("tenant_documents_pkey"), "{}", plan.plan());

        // for the owner nothing has changed
        assert_eq!(
            body_embeddings::Entity::search(vec![0.5; 768]).count(&test.db).await?,
            394
        );
        // and what follows: a row that changes hands
        test.execute(&format!("update tenant_documents set tenant = '{acme}' where id = 2"))
            .await?;
        assert_eq!(body_embeddings::Entity::search(vec![0.5; 768]).count(&db).await?, 3);
        test.execute(&block("refresh_vectorizer", &acme, &embedder)).await?;
        assert_eq!(body_embeddings::Entity::search(vec![0.5; 768]).count(&db).await?, 3);

        db.close().await?;
        of_worker.close().await?;
        test.execute("select ai.drop_vectorizer('documents', drop_all => true); drop table tenant_documents")
            .await?;
        test.drop_role(&acme).await?;
        test.drop_role(&embedder).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn on_pgai_s_schema_the_page_s_policies_do() {
    on_catalog(Catalog::Pgai, async |test| {
        let (acme, embedder) = (test.role("acme").await?, test.role("embedder").await?);
        test.execute(TABLE).await?;
        test.execute(&block(
            "create policy own_rows on tenant_documents using",
            &acme,
            &embedder,
        ))
        .await?;
        documents(&test, &acme, "").await?;
        super::embed(&test).await?;
        test.execute(&format!("grant usage on schema public to {acme}")).await?;
        test.execute(&block("grant select", &acme, &embedder)).await?;
        let db = test.connect_as(&acme).await?;
        assert_eq!(body_embeddings::Entity::search(vec![0.5; 768]).count(&db).await?, 3);
        test.execute(&block("create policy worker", &acme, &embedder)).await?;
        for (kind, chunks) in found(&db).await? {
            assert_eq!(chunks, ["ours", "ours too"], "{kind}");
        }
        test.execute(&format!(
            "grant usage on schema public, ai to {embedder};
             grant all on all tables in schema ai, public to {embedder};
             grant execute on all functions in schema ai to {embedder};
             insert into tenant_documents values (4, 'other', 'late');
             update tenant_documents set body = 'new' where id = 1"
        ))
        .await?;
        let of_worker = test.connect_as(&embedder).await?;
        let report = Worker::new(of_worker.clone())
            .embedder("openai", "text-embedding-3-small", Arc::new(model768()))
            .run_once()
            .await?;
        assert_eq!((report.rows(), report.errors().count()), (2, 0), "{report:?}");
        let stored = test
            .values::<String>("select chunk from tenant_documents_embedding_store order by 1")
            .await?;
        assert_eq!(stored, ["late", "new", "ours too", "theirs"]);
        db.close().await?;
        of_worker.close().await?;
        test.execute("select ai.drop_vectorizer('documents', drop_all => true); drop table tenant_documents")
            .await?;
        test.drop_role(&acme).await?;
        test.drop_role(&embedder).await?;
        Ok(())
    })
    .await;
}

#[test]
fn the_page_is_this_code() {
    PAGE.is_code_of(include_str!("tenants.rs"));
}
