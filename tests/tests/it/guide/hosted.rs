//! The roles of a hosted PostgreSQL, as the page on production has them: none is a superuser, and each does its own
//! job.

use std::sync::Arc;

use pgai_sea::migration::prelude::*;
use pgai_sea::pgvector::CreateVectorIndex;
use pgai_sea::prelude::*;
use pgai_sea::worker::Worker;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_catalog};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr};

use crate::pages::Page;
use crate::readme::model768;

const PAGE: Page = Page(include_str!("../../../../pgai-sea/src/guide/production.md"));

mod note {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "notes")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub account: String,
        #[vectorizer(dimensions = 768)]
        pub body: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

use note::body_embeddings;

const ROLES: [&str; 5] = ["migrator", "embedder", "writer", "searcher", "tenant"];

/// Names of this test's own for the roles of a statement: roles belong to the server.
struct Names {
    suffix: String,
    database: String,
}

impl Names {
    fn of(&self, role: &str) -> String {
        format!("{role}_{}", self.suffix)
    }

    fn in_sql(&self, sql: &str) -> String {
        let named = ROLES
            .iter()
            .fold(sql.to_owned(), |sql, role| sql.replace(role, &self.of(role)));
        named.replace("database app", &format!("database \"{}\"", self.database))
    }

    /// A connection that logs in as the role.
    async fn log_in(&self, test: &TestDatabase, role: &str) -> Result<DatabaseConnection, DbErr> {
        let (_, host) = test.url.split_once('@').unwrap_or_default();
        let url = format!("postgres://{}:secret@{host}", self.of(role));
        Database::connect(
            ConnectOptions::new(url)
                .max_connections(4)
                .sqlx_logging(false)
                .to_owned(),
        )
        .await
    }
}

async fn refused(db: &DatabaseConnection, statements: &[&str]) {
    for sql in statements {
        let error = db.execute_unprepared(sql).await.expect_err(sql).to_string();
        assert!(error.contains("permission denied"), "{sql}: {error}");
    }
}

fn bodies(hits: Hits<Hit<i32>>) -> Vec<String> {
    let mut bodies: Vec<_> = hits.into_iter().map(|hit| hit.embedding.chunk).collect();
    bodies.sort_unstable();
    bodies
}

#[allow(clippy::too_many_lines, reason = "one installation, role by role")]
#[tokio::test]
async fn each_role_does_its_job_and_none_of_the_others() {
    on_catalog(Catalog::Bare, async |test| -> TestResult {
        let database: String = test.value("select current_database()::text").await?;
        let names = Names {
            suffix: database[database.len() - 8..].to_owned(),
            database,
        };
        // what a provider does
        let admin = names.of("admin");
        test.execute(&format!(
            "create role {admin} login createrole createdb password 'secret'; alter database \"{}\" owner to {admin};
             drop extension if exists vector; create schema extensions; grant usage on schema extensions to public;
             create extension vector schema extensions; revoke create on schema public from public",
            names.database
        ))
        .await?;
        let db = names.log_in(&test, "admin").await?;
        db.execute_unprepared(&names.in_sql(&PAGE.block("sql", "create role migrator")))
            .await?;
        db.execute_unprepared(&names.in_sql("create role tenant login; grant usage on schema public to tenant"))
            .await?;
        for role in ROLES {
            db.execute_unprepared(&format!("alter role {} password 'secret'", names.of(role)))
                .await?;
        }
        for role in ["searcher", "tenant"] {
            let path = format!("alter role {} set search_path = public, extensions", names.of(role));
            db.execute_unprepared(&path).await?;
        }
        db.close().await?;

        let migrator = names.log_in(&test, "migrator").await?;
        let manager = SchemaManager::new(&migrator);
        manager.install_pgai().await?;
        migrator
            .execute_unprepared(&names.in_sql(
                "create table notes (id int primary key, account text not null, body text not null);
                 alter table notes enable row level security;
                 create policy own_rows on notes using (account = current_user);
                 create policy all_rows on notes to writer, searcher using (true) with check (true)",
            ))
            .await?;
        manager
            .create_vectorizer(
                CreateVectorizer::new("notes")
                    .loading(Loading::column("body"))
                    .embedding(Embedding::openai("text-embedding-3-small", 768))
                    .grant_to([names.of("embedder")]),
            )
            .await?;
        migrator
            .execute_unprepared(&names.in_sql(&PAGE.block("sql", "on notes to writer")))
            .await?;
        migrator
            .execute_unprepared(&names.in_sql("grant select on notes, notes_embedding_store to tenant"))
            .await?;
        // pgvector is in a schema that is not on the path
        let index = CreateVectorIndex::hnsw("notes_embedding_store", "embedding").name("by_meaning");
        manager.create_vector_index(index).await?;

        let writer = names.log_in(&test, "writer").await?;
        writer
            .execute_unprepared(&names.in_sql(
                "insert into notes values (1, 'tenant', 'ours'), (2, 'another', 'theirs'), (3, 'tenant', 'gone'),
                    (4, 'x', 'y');
                 update notes set body = 'changed' where id = 2; delete from notes where id = 4",
            ))
            .await?;
        refused(
            &writer,
            &[
                "select * from notes_embedding_store",
                "delete from notes_embedding_store",
                "select * from ai._vectorizer_q_1",
                "select * from ai.vectorizer",
                "create table public.t ()",
            ],
        )
        .await;

        let embedder = names.log_in(&test, "embedder").await?;
        let run = async || {
            Worker::new(embedder.clone())
                .embedder("openai", "text-embedding-3-small", Arc::new(model768()))
                .run_once()
                .await
        };
        let report = run().await?;
        assert_eq!((report.rows(), report.errors().count()), (4, 0), "{report:?}");
        refused(
            &embedder,
            &[
                "update notes set body = 'x'",
                "delete from notes",
                "truncate notes_embedding_store",
                "update ai.vectorizer set disabled = true",
                "create table public.t ()",
            ],
        )
        .await;
        writer.execute_unprepared("delete from notes where id = 3").await?;
        run().await?;

        let searcher = names.log_in(&test, "searcher").await?;
        let search = || body_embeddings::Entity::search(vec![0.5; 768]);
        assert_eq!(bodies(search().all(&searcher).await?), ["changed", "ours"]);
        assert_eq!(search().with_source().all(&searcher).await?.len(), 2);
        refused(
            &searcher,
            &[
                "insert into notes values (9, 'x', 'y')",
                "delete from notes_embedding_store",
                "select * from ai._vectorizer_q_1",
            ],
        )
        .await;
        // without pgvector's schema on the path, the error says what to do
        searcher.close().await?;
        test.execute(&format!("alter role {} set search_path = public", names.of("searcher")))
            .await?;
        let searcher = names.log_in(&test, "searcher").await?;
        let error = search().all(&searcher).await.unwrap_err().to_string();
        assert!(error.contains("search_path") && error.contains("extensions"), "{error}");
        assert!(matches!(
            search().all(&searcher).await,
            Err(SearchError::NoPgvector { .. })
        ));

        let tenant = names.log_in(&test, "tenant").await?;
        assert_eq!(bodies(search().all(&tenant).await?), ["ours"]);
        refused(
            &tenant,
            &[
                "delete from notes",
                "select * from ai.vectorizer",
                "select * from notes_embedding",
            ],
        )
        .await;

        let superusers = format!(
            "select count(*) from pg_roles where rolsuper and rolname like '%{}'",
            names.suffix
        );
        assert_eq!(test.value::<i64>(&superusers).await?, 0);
        manager
            .drop_vectorizer(DropVectorizer::target_table("notes_embedding_store").drop_all(true))
            .await?;
        for db in [migrator, writer, embedder, searcher, tenant] {
            db.close().await?;
        }
        test.execute(&format!("alter database \"{}\" owner to current_user", names.database))
            .await?;
        for role in ROLES.iter().chain(&["admin"]) {
            test.drop_role(&names.of(role)).await?;
        }
        Ok(())
    })
    .await;
}
