//! The pages of the guide, run on a real PostgreSQL. Each page's blocks are compared with the code of its file here.

mod changing;
mod declaring;
mod documents;
mod first_search;
mod from_pgai;
mod growing;
mod hosted;
mod local_models;
mod migrating;
mod production;
mod quality;
mod searching;
mod tenants;
mod testing;

use std::sync::Arc;

use pgai_sea::migration::prelude::*;
use pgai_sea::worker::Worker;
use pgai_sea_tests::{TestDatabase, TestResult};

use crate::readme::{m0001_search, model768};

/// The pages' example: the entity that their hidden lines include.
mod blog_post {
    include!("../../../../pgai-sea/src/guide/blog_post.rs");
}

/// The embeddings of what is queued for the example's model.
async fn embed(test: &TestDatabase) -> TestResult {
    let worker = Worker::new(test.db.clone()).embedder("openai", "text-embedding-3-small", Arc::new(model768()));
    let report = worker.run_once().await?;
    let errors: Vec<_> = report.errors().collect();
    assert!(errors.is_empty(), "{errors:?}");
    Ok(())
}

/// Three posts with embeddings.
async fn posts(test: &TestDatabase) -> TestResult {
    test.execute("create table blog_posts (id serial primary key, title text not null, content text not null)")
        .await?;
    m0001_search::Migration.up(&SchemaManager::new(&test.db)).await?;
    test.execute(
        "insert into blog_posts (title, content) values
         ('postgres indexes', 'How to index a column'), ('sourdough', 'Flour and water'),
         ('postgres', 'A lock and a row')",
    )
    .await?;
    embed(test).await
}
