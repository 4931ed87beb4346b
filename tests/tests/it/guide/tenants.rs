//! The page on tenants.

use std::sync::Arc;

use pgai_sea::worker::Worker;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_catalog};
use sea_orm::DatabaseConnection;

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

/// A search of someone who forgot the filter.
async fn unfiltered(db: &DatabaseConnection, query_vector: Vec<f32>) -> Result<Vec<String>, sea_orm::DbErr> {
    use document::body_embeddings;
    use pgai_sea::prelude::*;

    let hits = body_embeddings::Entity::search(query_vector).all(db).await?;
    let mut chunks: Vec<_> = hits.into_iter().map(|hit| hit.embedding.chunk).collect();
    chunks.sort_unstable();
    Ok(chunks)
}

async fn documents(test: &TestDatabase, tenant: &str) -> TestResult {
    test.execute(&format!(
        "create table tenant_documents (id int primary key, tenant text not null, body text not null);
         select ai.create_vectorizer('tenant_documents', name => 'documents', loading => ai.loading_column('body'),
            embedding => ai.embedding_openai('text-embedding-3-small', 768));
         insert into tenant_documents values
             (1, '{tenant}', 'ours'), (2, 'other', 'theirs'), (3, '{tenant}', 'ours too')"
    ))
    .await?;
    super::embed(test).await
}

#[tokio::test]
async fn a_filter_keeps_tenants_apart() {
    on_catalog(Catalog::Ours, async |test| {
        documents(&test, "us").await?;
        let vector = vec![0.5; 768];
        assert_eq!(search(test.db.clone(), vector.clone(), "us").await?, [1, 3]);
        assert_eq!(search(test.db.clone(), vector, "nobody").await?, [0; 0]);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_policies_of_the_page_keep_tenants_apart() {
    on_catalog(Catalog::Ours, async |test| {
        let (tenant, worker) = (test.role("tenant").await?, test.role("worker").await?);
        documents(&test, &tenant).await?;
        let [policies, of_worker] = &PAGE.blocks("sql")[..] else {
            panic!("a page with two blocks of SQL")
        };
        let (source, store) = policies.split_once("\n\n").expect("the source, then the store");
        test.execute(&format!(
            "grant usage on schema public to {tenant};
             grant select on tenant_documents, tenant_documents_embedding_store, tenant_documents_embedding to {tenant}"
        ))
        .await?;
        let db = test.connect_as(&tenant).await?;
        let view = async || -> Result<Vec<String>, sea_orm::DbErr> {
            let mut of_tenant = test.clone();
            of_tenant.db = db.clone();
            of_tenant
                .values("select chunk from tenant_documents_embedding order by 1")
                .await
        };

        // what the page says of the source's policies alone
        test.execute(source).await?;
        assert_eq!(unfiltered(&db, vec![0.5; 768]).await?, ["ours", "ours too", "theirs"]);
        assert_eq!(view().await?, ["ours", "ours too", "theirs"]);
        // and with the rest
        test.execute(store).await?;
        assert_eq!(unfiltered(&db, vec![0.5; 768]).await?, ["ours", "ours too"]);
        assert_eq!(view().await?, ["ours", "ours too"]);

        // a worker that is neither owner nor superuser
        let (create, of_worker) = of_worker.split_once(";\n").expect("statements");
        assert_eq!(create, "create role tenant_worker");
        test.execute(&of_worker.replace("tenant_worker", &worker)).await?;
        test.execute(&format!(
            "grant usage on schema public, ai to {worker};
             grant all on all tables in schema ai, public to {worker};
             grant execute on all functions in schema ai to {worker};
             insert into tenant_documents values (4, 'other', 'late');
             update tenant_documents set body = 'new' where id = 1"
        ))
        .await?;
        let of_worker = test.connect_as(&worker).await?;
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
        test.drop_role(&tenant).await?;
        test.drop_role(&worker).await?;
        Ok(())
    })
    .await;
}

#[test]
fn the_page_is_this_code() {
    PAGE.is_code_of(include_str!("tenants.rs"));
}
