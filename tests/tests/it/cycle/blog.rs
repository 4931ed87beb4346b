//! The documentation's example: `blog_posts`, migrated by the crate `migration`.

use std::collections::BTreeMap;
use std::sync::Arc;

use migration::{Migrator, MigratorTrait};
use pgai_sea::embedder::OpenAi;
use pgai_sea::worker::{Report, Worker};
use pgai_sea_tests::providers::{Provider, embedding_of};
use pgai_sea_tests::{TestDatabase, TestResult};
use sea_orm::prelude::PgVector;
use sea_orm::{DbBackend, EntityTrait, FromQueryResult, Statement};

/// What the migration declares.
pub(super) const MODEL: &str = "text-embedding-3-small";
pub(super) const DIMENSIONS: usize = 768;

pub(super) mod blog_post {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "blog_posts")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub title: String,
        #[vectorizer(dimensions = 768)]
        pub content: String,
        pub content_embeddings: HasMany<content_embeddings::Entity>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// A migrated blog, and the provider of its embeddings.
#[derive(Debug)]
pub(super) struct Blog {
    pub(super) test: TestDatabase,
    pub(super) provider: Provider,
}

impl Blog {
    pub(super) async fn new(test: TestDatabase) -> Result<Self, sea_orm::DbErr> {
        Migrator::up(&test.db, None).await?;
        Ok(Self {
            test,
            provider: Provider::start(),
        })
    }

    /// Lets a worker in this process work until nothing is left.
    pub(super) async fn work(&self) -> Result<Report, pgai_sea::worker::WorkerError> {
        let openai = OpenAi::new(MODEL, DIMENSIONS)
            .api_key(Provider::API_KEY)
            .base_url(self.provider.openai_url());
        Worker::new(self.test.db.clone())
            .embedder("openai", MODEL, Arc::new(openai))
            .run_once()
            .await
    }

    /// Adds a post, as an application does it; gives back its id.
    pub(super) async fn publish(&self, title: &str, content: &str) -> Result<i32, sea_orm::DbErr> {
        use sea_orm::ActiveValue::{NotSet, Set};
        let post = blog_post::ActiveModel {
            id: NotSet,
            title: Set(title.to_owned()),
            content: Set(content.to_owned()),
        };
        Ok(blog_post::Entity::insert(post)
            .exec(&self.test.db)
            .await?
            .last_insert_id)
    }

    /// How many rows are queued, and how many were given up.
    pub(super) async fn queued(&self) -> Result<(i64, i64), sea_orm::DbErr> {
        let queues: Vec<String> = self
            .test
            .values(
                "select format('%I.%I', queue_schema, queue) from ai.vectorizer
                 cross join lateral unnest(array[queue_table, queue_failed_table]) queue order by queue",
            )
            .await?;
        let count = async |queue: &str| self.test.value(&format!("select count(*) from {queue}")).await;
        match &queues[..] {
            [queue, failed] => Ok((count(queue).await?, count(failed).await?)),
            other => panic!("one vectorizer's queues: {other:?}"),
        }
    }

    /// Checks that the store holds these chunks and no others, each once, in order and with its own vector.
    pub(super) async fn assert_embedded(&self, expected: &BTreeMap<i32, Vec<String>>) -> TestResult {
        let sql = "select id, chunk_seq, chunk, embedding from blog_posts_embedding_store order by id, chunk_seq";
        let stored = Stored::find_by_statement(Statement::from_string(DbBackend::Postgres, sql));
        let mut found: BTreeMap<i32, Vec<String>> = BTreeMap::new();
        for row in stored.all(&self.test.db).await? {
            let chunks = found.entry(row.id).or_default();
            assert_eq!(
                usize::try_from(row.chunk_seq)?,
                chunks.len(),
                "numbers of the chunks of post {}",
                row.id
            );
            assert!(
                row.embedding.as_slice() == embedding_of(MODEL, &row.chunk, DIMENSIONS),
                "post {} has another text's vector for chunk {}: {}",
                row.id,
                row.chunk_seq,
                row.chunk
            );
            chunks.push(row.chunk);
        }
        assert_eq!(&found, expected);
        Ok(())
    }
}

#[derive(Debug, FromQueryResult)]
struct Stored {
    id: i32,
    chunk_seq: i32,
    chunk: String,
    embedding: PgVector,
}
