//! The page on growing.

use std::sync::Arc;

use pgai_sea::embedder::Embedder;
use pgai_sea::worker::Worker;
use pgai_sea_tests::{Catalog, TestResult, on_catalog};
use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use sea_orm_migration::SchemaManager;
use tokio::process::Command;

use super::blog_post;
use crate::pages::Page;
use crate::readme::model768;

const PAGE: Page = Page(include_str!("../../../../pgai-sea/src/guide/growing.md"));

async fn in_the_background(manager: &SchemaManager<'_>) -> TestResult {
    use pgai_sea::migration::prelude::*;

    manager
        .create_vectorizer(
            CreateVectorizer::new("events")
                .loading(Loading::column("body"))
                .embedding(Embedding::openai("text-embedding-3-small", 768))
                .backfill(Backfill::by_key().descending()),
        )
        .await?;

    Ok(())
}

async fn halved(manager: &SchemaManager<'_>) -> TestResult {
    use pgai_sea::migration::prelude::*;

    manager
        .create_vectorizer(
            CreateVectorizer::new("events")
                .destination(Destination::table().halfvec())
                .loading(Loading::column("body"))
                .embedding(Embedding::openai("text-embedding-3-small", 768)),
        )
        .await?;

    Ok(())
}

async fn of_bits(manager: &SchemaManager<'_>) -> TestResult {
    use pgai_sea::migration::prelude::*;

    manager
        .create_vectorizer(
            CreateVectorizer::new("events")
                .indexing(Indexing::hnsw().binary())
                .loading(Loading::column("body"))
                .embedding(Embedding::openai("text-embedding-3-small", 768)),
        )
        .await?;

    Ok(())
}

async fn in_partitions(manager: &SchemaManager<'_>) -> TestResult {
    use pgai_sea::migration::prelude::*;

    manager
        .create_vectorizer(
            CreateVectorizer::new("events") // primary key (tenant_id, id)
                .destination(Destination::table().partitions(16).partition_by("tenant_id"))
                .loading(Loading::column("body"))
                .embedding(Embedding::openai("text-embedding-3-small", 768)),
        )
        .await?;

    Ok(())
}

async fn on_replica(replica: DatabaseConnection, query_vector: Vec<f32>) -> TestResult {
    use pgai_sea::prelude::*;

    let hits = blog_post::Entity::search(query_vector).limit(10).all(&replica).await?;

    assert_eq!((hits.len(), hits[0].source.id), (3, 1));
    Ok(())
}

async fn refresh(manager: &SchemaManager<'_>) -> TestResult {
    use pgai_sea::migration::prelude::*;

    manager.refresh_vectorizer("events").await?;

    Ok(())
}

#[tokio::test]
async fn a_large_table_is_queued_by_the_workers() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(
            "create table events (id int primary key, body text not null);
             insert into events select i, 'text ' || i from generate_series(1, 100) i",
        )
        .await?;
        in_the_background(&SchemaManager::new(&test.db)).await?;
        super::embed(&test).await?;
        let stored: i64 = test
            .value("select count(distinct id) from events_embedding_store")
            .await?;
        assert_eq!(stored, 100);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_store_of_halves_is_embedded() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(
            "create table events (id int primary key, body text not null); insert into events values (1, 'one')",
        )
        .await?;
        halved(&SchemaManager::new(&test.db)).await?;
        super::embed(&test).await?;
        let stored: String = test
            .value("select pg_typeof(embedding)::text from events_embedding_store")
            .await?;
        assert_eq!(stored, "halfvec");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_store_in_partitions_is_embedded() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(
            "create table events (tenant_id int, id int, body text not null, primary key (tenant_id, id));
             insert into events select t, i, 'text ' || i from generate_series(1, 20) t, generate_series(1, 3) i",
        )
        .await?;
        in_partitions(&SchemaManager::new(&test.db)).await?;
        super::embed(&test).await?;
        let stored: Vec<i64> = test
            .values(
                "select count(*) from events_embedding_store union all
                 select count(*) from pg_inherits where inhparent = 'events_embedding_store'::regclass union all
                 select max(n) from (select count(distinct tableoid) as n from events_embedding_store
                     group by tenant_id) of_tenant",
            )
            .await?;
        assert_eq!(stored, [60, 16, 1], "chunks, partitions, partitions of a tenant");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_index_of_bits_is_kept() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute("create table events (id int primary key, body text not null)")
            .await?;
        of_bits(&SchemaManager::new(&test.db)).await?;
        let kept: String = test
            .value("select config #>> '{indexing,quantized}' from ai.vectorizer")
            .await?;
        assert_eq!(kept, "binary");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn several_workers_share_a_queue() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(
            "create table events (id int primary key, body text not null);
             select ai.create_vectorizer('events', loading => ai.loading_column('body'),
                embedding => ai.embedding_openai('text-embedding-3-small', 768),
                processing => ai.processing_default(batch_size => 5));
             insert into events select i, 'text ' || i from generate_series(1, 100) i",
        )
        .await?;
        let worker = || Worker::new(test.db.clone()).embedder("openai", "text-embedding-3-small", Arc::new(model768()));
        let (one, other) = (worker(), worker());
        let (one, other) = tokio::join!(one.run_once(), other.run_once());
        assert_eq!(one?.rows() + other?.rows(), 100);
        let stored: i64 = test
            .value("select count(distinct id) from events_embedding_store")
            .await?;
        assert_eq!(stored, 100);

        for arguments in PAGE.commands(&test.url) {
            let output = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
                .args(&arguments)
                .env("OPENAI_API_KEY", "of nobody: nothing is left to embed")
                .output()
                .await?;
            assert!(
                output.status.success(),
                "{arguments:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    })
    .await;
}

/// A session that may not write, as all on a replica.
#[tokio::test]
async fn a_search_runs_where_nothing_can_be_written() {
    on_catalog(Catalog::Bare, async |test| {
        super::posts(&test).await?;
        let join = if test.url.contains('?') { '&' } else { '?' };
        let read_only = format!("{}{join}options[default_transaction_read_only]=on", test.url);
        let replica = Database::connect(ConnectOptions::new(read_only).max_connections(2).to_owned()).await?;
        let refused = sea_orm::ConnectionTrait::execute_unprepared(&replica, "delete from blog_posts").await;
        assert!(refused.unwrap_err().to_string().contains("read-only transaction"));
        let vector = model768()
            .embed_query("postgres indexes - How to index a column")
            .await?;
        on_replica(replica.clone(), vector).await?;
        replica.close().await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_refresh_queues_what_came_with_a_partition_and_removes_what_went() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(
            "create table events (id int primary key, body text not null) partition by range (id);
             create table events_low partition of events for values from (0) to (10);
             select ai.create_vectorizer('events', name => 'events', loading => ai.loading_column('body'),
                embedding => ai.embedding_openai('text-embedding-3-small', 768));
             insert into events values (1, 'low');
             create table events_high (like events including all);
             insert into events_high values (11, 'high');
             alter table events attach partition events_high for values from (10) to (20)",
        )
        .await?;
        let manager = SchemaManager::new(&test.db);
        let stored = async || {
            test.values::<i32>("select id from events_embedding_store order by id")
                .await
        };
        super::embed(&test).await?;
        refresh(&manager).await?;
        super::embed(&test).await?;
        assert_eq!(stored().await?, [1, 11]);

        test.execute("alter table events detach partition events_low").await?;
        refresh(&manager).await?;
        super::embed(&test).await?;
        assert_eq!(stored().await?, [11]);
        Ok(())
    })
    .await;
}

#[test]
fn the_page_is_this_code() {
    PAGE.is_code_of(include_str!("growing.rs"));
}
