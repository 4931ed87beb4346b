//! The operations of `SchemaManager`.

use pgai_sea::catalog::{self, Installed};
use pgai_sea::migration::prelude::*;
use pgai_sea_tests::{Catalog, Snapshot, TestDatabase, on_both_catalogs, on_catalog};
use sea_orm::{DbErr, TransactionTrait};

use super::{BLOG, take, vectorize};

fn posts(name: &str) -> CreateVectorizer {
    CreateVectorizer::new("blog")
        .name(name)
        .destination(Destination::table().destination(name))
        .loading(Loading::column("content"))
        .embedding(Embedding::ollama("all-minilm", 3))
}

/// The body with SeaORM's transaction, and without.
async fn with_and_without_transaction(
    test: &TestDatabase,
    body: impl AsyncFn(&SchemaManager<'_>, &str) -> Result<(), DbErr>,
) -> Result<(), DbErr> {
    body(&SchemaManager::new(&test.db), "without").await?;
    let transaction = test.db.begin().await?;
    body(&SchemaManager::new(&transaction), "within").await?;
    transaction.commit().await
}

#[tokio::test]
async fn create_answers_the_id_and_drop_takes_name_id_or_target_table() {
    on_both_catalogs(async |test| {
        test.execute(BLOG).await?;
        let before = Snapshot::of(&test.db).await?;
        with_and_without_transaction(&test, async |manager, name| {
            let store = format!("{name}_store");
            for drop in [
                |name: &str, _: i32, _: &str| DropVectorizer::name(name),
                |_: &str, id: i32, _: &str| DropVectorizer::id(id),
                |_: &str, _: i32, store: &str| DropVectorizer::target_table(store),
            ] {
                let id = manager.create_vectorizer(posts(name)).await?;
                assert!(manager.has_vectorizer(name).await?);
                assert_eq!(catalog::vectorizer(manager.get_connection(), id).await?.name, name);
                manager.drop_vectorizer(drop(name, id, &store).drop_all(true)).await?;
                assert!(!manager.has_vectorizer(name).await?);
            }
            Ok(())
        })
        .await?;
        assert_eq!(Snapshot::of(&test.db).await?, before);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn dropping_what_is_not_there_is_an_error_unless_it_may_be() {
    on_both_catalogs(async |test| {
        let manager = SchemaManager::new(&test.db);
        for (drop, what) in [
            (DropVectorizer::name("posts"), "\"posts\""),
            (DropVectorizer::id(77), "77"),
            (
                DropVectorizer::target_table("posts_store"),
                "with the table \"posts_store\"",
            ),
        ] {
            let error = manager.drop_vectorizer(drop.clone()).await.unwrap_err().to_string();
            assert!(error.contains(&format!("there is no vectorizer {what}")), "{error}");
            manager.drop_vectorizer(drop.if_exists(true)).await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn without_a_schema_there_is_no_vectorizer() {
    on_catalog(Catalog::Bare, async |test| {
        let manager = SchemaManager::new(&test.db);
        assert!(!manager.has_vectorizer("posts").await?);
        manager
            .drop_vectorizer(DropVectorizer::name("posts").if_exists(true))
            .await?;
        assert!(manager.drop_vectorizer(DropVectorizer::name("posts")).await.is_err());
        test.execute(BLOG).await?;
        let error = manager.create_vectorizer(posts("posts")).await.unwrap_err().to_string();
        assert!(error.contains("call `manager.install_pgai().await?` first"), "{error}");
        manager.uninstall_pgai().await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn install_and_uninstall() {
    on_catalog(Catalog::Bare, async |test| {
        let before = Snapshot::of(&test.db).await?;
        with_and_without_transaction(&test, async |manager, _| {
            assert!(matches!(manager.install_pgai().await?, Installed::Installed { .. }));
            assert!(matches!(
                manager.install_pgai().await?,
                Installed::AlreadyInstalled { .. }
            ));
            manager.uninstall_pgai().await
        })
        .await?;
        assert_eq!(Snapshot::of(&test.db).await?, before);
        Ok(())
    })
    .await;
    on_catalog(Catalog::Pgai, async |test| {
        let before = Snapshot::of(&test.db).await?;
        with_and_without_transaction(&test, async |manager, _| {
            assert!(matches!(manager.install_pgai().await?, Installed::PgaiPresent { .. }));
            manager.uninstall_pgai().await
        })
        .await?;
        assert_eq!(Snapshot::of(&test.db).await?, before);
        Ok(())
    })
    .await;
}

/// Refused by the builder, and by the database in the middle of its work.
#[tokio::test]
async fn a_failure_leaves_nothing() {
    on_both_catalogs(async |test| {
        test.execute(BLOG).await?;
        let before = Snapshot::of(&test.db).await?;
        let manager = SchemaManager::new(&test.db);
        let unfinished = CreateVectorizer::new("blog").loading(Loading::column("content"));
        let error = manager.create_vectorizer(unfinished).await.unwrap_err();
        assert!(matches!(error, DbErr::Migration(_)), "{error}");
        let no_schema = posts("posts").queue_schema("no_such_schema");
        assert!(manager.create_vectorizer(no_schema).await.is_err());
        assert_eq!(Snapshot::of(&test.db).await?, before);
        Ok(())
    })
    .await;
}

/// Every table was dropped and is made again, as `migrate fresh` does it.
#[tokio::test]
async fn vectorizers_of_dropped_tables_make_way() {
    on_both_catalogs(async |test| {
        let manager = SchemaManager::new(&test.db);
        test.execute(BLOG).await?;
        manager.create_vectorizer(posts("posts")).await?;
        test.execute("drop table blog, posts_store cascade").await?;
        assert!(manager.has_vectorizer("posts").await?);
        manager.install_pgai().await?;
        assert!(!manager.has_vectorizer("posts").await?);

        test.execute(BLOG).await?;
        manager.create_vectorizer(posts("posts")).await?;
        test.execute("drop table blog, posts_store cascade").await?;
        test.execute(BLOG).await?;
        let id = manager.create_vectorizer(posts("posts")).await?;
        test.execute("insert into blog values (1, 't', 'c')").await?;
        assert_eq!(take(&test, id).await?, [1]);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn vectorizers_in_use_are_no_leftovers() {
    on_both_catalogs(async |test| {
        let manager = SchemaManager::new(&test.db);
        test.execute(BLOG).await?;
        let column = ", name => 'in_column', destination => ai.destination_column('e'), chunking => ai.chunking_none()";
        vectorize(&test, "blog", column).await?;
        manager.create_vectorizer(posts("in_table")).await?;
        test.execute("alter table blog rename to renamed; drop table in_table_store cascade")
            .await?;
        manager.install_pgai().await?;
        assert!(manager.has_vectorizer("in_column").await?);
        assert!(manager.has_vectorizer("in_table").await?);
        Ok(())
    })
    .await;
}

/// The migrations of the crate `migration`, up, down and from the beginning with data in the tables.
#[tokio::test]
async fn the_example_s_migrations() {
    use migration::Migrator;
    for catalog in [Catalog::Bare, Catalog::Pgai] {
        on_catalog(catalog, async |test| {
            let before = Snapshot::of(&test.db).await?;
            let ours = |line: &str| !line.contains("seaql_migrations");
            Migrator::up(&test.db, None).await?;
            let status = "select format('%s %s', target_table, pending_items) from ai.vectorizer_status";
            test.execute("insert into blog_posts (title, content) values ('t', 'c')")
                .await?;
            assert_eq!(
                test.value::<String>(status).await?,
                "public.blog_posts_embedding_store 1"
            );
            Migrator::fresh(&test.db).await?;
            assert_eq!(
                test.value::<String>(status).await?,
                "public.blog_posts_embedding_store 0"
            );
            test.execute("insert into blog_posts (title, content) values ('t', 'c')")
                .await?;
            Migrator::refresh(&test.db).await?;
            assert_eq!(
                test.value::<String>(status).await?,
                "public.blog_posts_embedding_store 0"
            );
            Migrator::down(&test.db, Some(1)).await?;
            assert_eq!(test.values::<String>(status).await?, Vec::<String>::new());
            Migrator::up(&test.db, None).await?;
            Migrator::reset(&test.db).await?;
            let after = Snapshot::of(&test.db).await?;
            assert_eq!(after.added_since(&before).only(ours).to_string(), "");
            assert_eq!(after.removed_since(&before).only(ours).to_string(), "");
            Ok(())
        })
        .await;
    }
}

/// A table's name alone is not enough where two schemas have it, and a guess would cost embeddings.
#[tokio::test]
async fn a_target_table_of_two_schemas_is_asked_about() {
    on_both_catalogs(async |test| {
        let manager = SchemaManager::new(&test.db);
        for schema in ["one", "two"] {
            test.execute(&format!(
                "create schema {schema}; {}",
                BLOG.replace("table blog", &format!("table {schema}.blog"))
            ))
            .await?;
            let create = CreateVectorizer::new((schema, "blog"))
                .loading(Loading::column("content"))
                .embedding(Embedding::ollama("all-minilm", 3));
            manager.create_vectorizer(create).await?;
        }
        let drop = DropVectorizer::target_table("blog_embedding_store").drop_all(true);
        let before = Snapshot::of(&test.db).await?;
        let error = manager.drop_vectorizer(drop.clone()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "Migration Error: there are 2 vectorizers with the table \"blog_embedding_store\", and none was dropped: \
             \"one_blog_embedding_store\" (schema \"one\"), \"two_blog_embedding_store\" (schema \"two\"). \
             Say which with `.target_schema(..)`, or drop them by `DropVectorizer::name(..)`"
        );
        assert_eq!(Snapshot::of(&test.db).await?, before);
        assert_eq!(catalog::vectorizers(&test.db).await?.len(), 2);
        manager.drop_vectorizer(drop.target_schema("two")).await?;
        assert!(manager.has_vectorizer("one_blog_embedding_store").await?);
        assert!(!manager.has_vectorizer("two_blog_embedding_store").await?);
        Ok(())
    })
    .await;
}
