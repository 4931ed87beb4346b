//! The steps of a change, one after the other.

use pgai_sea::change::{self, ChangeError};
use pgai_sea::config::Embedding;
use pgai_sea::{ChangeVectorizer, catalog};
use pgai_sea_tests::{Catalog, TestDatabase, on_both_catalogs, on_catalog};

use super::support::{Models, POSTS, assert_made_by, objects};

const STORE: &str = "posts_embedding_store";

fn to(model: &str, dimensions: i32) -> ChangeVectorizer {
    ChangeVectorizer::new("posts").embedding(Embedding::ollama(model, dimensions))
}

/// The length of the vectors that a plain query by the store's name finds.
async fn dimensions(test: &TestDatabase) -> i32 {
    test.value(&format!("select vector_dims(embedding) from {STORE} limit 1"))
        .await
        .unwrap()
}

#[tokio::test]
async fn from_one_model_to_another_and_back_and_forth() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(POSTS).await?;
        let models = Models::new();
        models.run(&test).await;
        let before = objects(&test).await;

        let new = change::start(&test.db, &to("large", 12)).await?;
        assert_eq!(
            change::start(&test.db, &to("large", 12)).await?,
            new,
            "once more is the same"
        );
        let refused = change::cut_over(&test.db, "posts").await.unwrap_err().to_string();
        assert!(refused.contains("no worker has begun"), "{refused}");
        let refused = change::start(&test.db, &to("other", 8)).await.unwrap_err().to_string();
        assert!(refused.contains("being changed already"), "{refused}");
        models.run(&test).await;
        assert_made_by(&test, STORE, &models.small).await;
        assert_made_by(&test, "posts_embedding_store_new", &models.large).await;

        assert!(change::cut_over(&test.db, "posts").await?);
        assert!(!change::cut_over(&test.db, "posts").await?, "once more is nothing");
        assert_eq!(dimensions(&test).await, 12);
        assert_eq!(catalog::vectorizer(&test.db, "posts").await?.id, new);
        let view: i64 = test
            .value("select count(*) from posts_embedding where vector_dims(embedding) = 12")
            .await?;
        assert_eq!(view, 300);

        // both are kept current, by whichever name
        test.execute(
            "update posts set body = 'edited' where id <= 10; delete from posts where id > 290;
             insert into posts values (1000, 'new', 'row'); update posts set id = 2000 where id = 20",
        )
        .await?;
        models.run(&test).await;
        assert_made_by(&test, STORE, &models.large).await;
        assert_made_by(&test, "posts_embedding_store_old", &models.small).await;

        assert!(change::roll_back(&test.db, "posts").await?);
        assert_eq!(dimensions(&test).await, 8);
        test.execute("update posts set body = 'edited again' where id <= 10")
            .await?;
        models.run(&test).await;
        assert_made_by(&test, STORE, &models.small).await;
        assert_made_by(&test, "posts_embedding_store_new", &models.large).await;
        let refused = change::finish(&test.db, "posts").await.unwrap_err().to_string();
        assert!(refused.contains("does not answer yet"), "{refused}");

        change::cut_over(&test.db, "posts").await?;
        let refused = change::abort(&test.db, "posts").await.unwrap_err().to_string();
        assert!(refused.contains("answers"), "{refused}");
        assert!(change::finish(&test.db, "posts").await?);
        assert!(!change::finish(&test.db, "posts").await?, "once more is nothing");
        assert_eq!(objects(&test).await, before);
        test.execute("update posts set body = 'the last' where id = 1; delete from posts where id = 2")
            .await?;
        models.run(&test).await;
        assert_made_by(&test, STORE, &models.large).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_change_that_is_given_up_leaves_nothing() {
    on_both_catalogs(async |test| {
        test.execute(POSTS).await?;
        let models = Models::new();
        models.run(&test).await;
        let before = objects(&test).await;
        change::start(&test.db, &to("other", 8)).await?;
        let under_way = change::find(&test.db, "posts").await?.unwrap();
        assert_eq!(under_way.active().name, "posts");
        assert!(under_way.unready.is_some());
        models.run(&test).await;
        assert_made_by(&test, "posts_embedding_store_new", &models.other).await;
        assert_eq!(change::find(&test.db, "posts_new").await?.unwrap().unready, None);
        assert!(change::abort(&test.db, "posts").await?);
        assert_eq!(objects(&test).await, before);
        assert_eq!(change::find(&test.db, "posts").await?, None);
        assert!(!change::abort(&test.db, "posts").await?);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_others_were_granted_and_indexes_come_along() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(POSTS).await?;
        let reader = test.role("reader").await?;
        test.execute(&format!(
            "grant select on posts_embedding_store, posts_embedding to {reader};
             create index posts_words on posts_embedding_store using gin (to_tsvector('simple', chunk));
             create index posts_vectors on posts_embedding_store using hnsw ((embedding::halfvec(8)) \
             halfvec_cosine_ops);
             alter table posts_embedding_store enable row level security;
             create policy few on posts_embedding_store for select to {reader} using (id < 10)",
        ))
        .await?;
        let models = Models::new();
        models.run(&test).await;
        let seen = "select string_agg(concat_ws(' ', indexname, regexp_replace(indexdef, '^.* USING ', '')), '; ' \
        order by indexname)
             from pg_indexes where tablename = 'posts_embedding_store'";
        let indexes: String = test.value(seen).await?;
        change::start(&test.db, &to("large", 12)).await?;
        models.run(&test).await;
        change::cut_over(&test.db, "posts").await?;
        assert_eq!(
            test.value::<String>(seen).await?,
            indexes.replace("halfvec(8)", "halfvec(12)")
        );
        change::finish(&test.db, "posts").await?;
        assert_eq!(
            test.value::<String>(seen).await?,
            indexes.replace("halfvec(8)", "halfvec(12)")
        );
        let rights: bool = test
            .value(&format!(
                "select has_table_privilege('{reader}', 'posts_embedding_store', 'select')
                 and has_table_privilege('{reader}', 'posts_embedding', 'select')
                 and (select relrowsecurity from pg_class where oid = 'posts_embedding_store'::regclass)",
            ))
            .await?;
        assert!(rights);
        let policy: String = test
            .value("select qual from pg_policies where tablename = 'posts_embedding_store' and policyname = 'few'")
            .await?;
        assert_eq!(policy, "(id < 10)");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_column_destination_a_composite_key_and_partitions() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(
            "create table posts (tenant int, id int, title text, body text, primary key (tenant, id)) partition by \
            list (tenant);
             create table posts_1 partition of posts for values in (1);
             create table posts_2 partition of posts for values in (2);
             insert into posts select 1 + i % 2, i, 'T', 'text ' || i from generate_series(1, 100) i;
             select ai.create_vectorizer('posts', name => 'posts', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('small', 8), chunking => ai.chunking_none(),
                destination => ai.destination_column('embedding'));
             create index posts_vectors on posts using hnsw (embedding vector_cosine_ops)",
        )
        .await?;
        let models = Models::new();
        models.run(&test).await;
        let before = objects(&test).await;
        let columns = async |name: &str| -> Vec<Vec<f32>> {
            test.values(&format!("select {name}::real[] from posts order by id"))
                .await
                .unwrap()
        };
        let expected = |model: &super::support::Model| -> Vec<Vec<f32>> {
            (1..=100).map(|i| model.vector(&format!("text {i}"))).collect()
        };
        for (model, dimensions) in [("large", 12), ("other", 8), ("small", 8)] {
            change::start(&test.db, &to(model, dimensions)).await?;
            models.run(&test).await;
            let name = catalog::vectorizer(&test.db, "posts").await?.config;
            change::cut_over(&test.db, "posts").await?;
            assert_eq!(columns("embedding").await, expected(models.by_name(model)));
            assert_eq!(
                columns("embedding_old").await,
                expected(models.by_name(name.embedding.model()))
            );
            change::roll_back(&test.db, "posts").await?;
            change::cut_over(&test.db, "posts").await?;
            change::finish(&test.db, "posts").await?;
            assert_eq!(columns("embedding").await, expected(models.by_name(model)));
        }
        assert_eq!(objects(&test).await, before);
        test.execute("update posts set body = 'text ' || id").await?;
        models.run(&test).await;
        assert_eq!(columns("embedding").await, expected(&models.small));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn twenty_changes_back_and_forth_leave_nothing() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(POSTS).await?;
        let models = Models::new();
        models.run(&test).await;
        let before = objects(&test).await;
        for round in 0..20 {
            let (model, dimensions) = [("large", 12), ("small", 8)][round % 2];
            change::start(&test.db, &to(model, dimensions)).await?;
            models.run(&test).await;
            change::cut_over(&test.db, "posts").await?;
            change::finish(&test.db, "posts").await?;
        }
        assert_eq!(objects(&test).await, before);
        models.run(&test).await;
        assert_made_by(&test, STORE, &models.small).await;
        let left: i64 = test
            .value("select count(*) from ai.vectorizer_generation where replaces is not null or anew_since is not null")
            .await?;
        assert_eq!(left, 0);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn dropping_a_vectorizer_takes_its_other_generation_along() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute("create table posts (id int primary key, body text)")
            .await?;
        let before = objects(&test).await;
        for cut_over in [false, true] {
            test.execute(
                "select ai.create_vectorizer('posts', name => 'posts', loading => ai.loading_column('body'),
                    embedding => ai.embedding_ollama('small', 8))",
            )
            .await?;
            change::start(&test.db, &to("large", 12)).await?;
            if cut_over {
                change::cut_over_unready(&test.db, "posts").await?;
            }
            test.execute("select ai.drop_vectorizer('posts', drop_all => true)")
                .await?;
            assert_eq!(objects(&test).await, before, "cut over: {cut_over}");
        }
        Ok(())
    })
    .await;
}

/// A worker that serves one vectorizer alone serves its new generation, too.
#[tokio::test]
async fn a_worker_of_one_vectorizer_serves_both_generations() {
    on_both_catalogs(async |test| {
        test.execute(POSTS).await?;
        let models = Models::new();
        change::start(&test.db, &to("large", 12)).await?;
        models.worker(&test).vectorizers(["posts"]).run_once().await?;
        assert_made_by(&test, "posts_embedding_store_new", &models.large).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn pgais_catalog_says_what_it_cannot_do() {
    on_catalog(Catalog::Pgai, async |test| {
        test.execute(POSTS).await?;
        change::start(&test.db, &to("large", 12)).await?;
        let refused = change::cut_over(&test.db, "posts").await.unwrap_err();
        assert!(matches!(refused, ChangeError::Pgai { .. }), "{refused}");
        Ok(())
    })
    .await;
}

/// On pgai's catalog as far as it goes.
#[tokio::test]
async fn a_store_of_a_composite_key_and_partitions() {
    on_both_catalogs(async |test| {
        test.execute(
            "create table posts (tenant int, id int, title text, body text, primary key (tenant, id)) partition by \
             list (tenant);
             create table posts_1 partition of posts for values in (1);
             create table posts_2 partition of posts for values in (2);
             insert into posts select 1 + i % 2, i, 'T', 'text ' || i from generate_series(1, 100) i;
             select ai.create_vectorizer('posts', name => 'posts', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('small', 8), chunking => ai.chunking_none(),
                formatting => ai.formatting_python_template('$title: $chunk'))",
        )
        .await?;
        let models = Models::new();
        models.run(&test).await;
        let before = objects(&test).await;
        change::start(&test.db, &to("large", 12)).await?;
        models.run(&test).await;
        // a partition that is written by its own name
        test.execute("update posts_1 set body = 'edited' where id = 2; delete from posts_2 where id = 1")
            .await?;
        models.run(&test).await;
        assert_made_by(&test, STORE, &models.small).await;
        assert_made_by(&test, "posts_embedding_store_new", &models.large).await;
        assert_eq!(change::find(&test.db, "posts").await?.unwrap().unready, None);
        if test.catalog == Catalog::Pgai {
            assert!(change::abort(&test.db, "posts").await?);
        } else {
            change::cut_over(&test.db, "posts").await?;
            change::finish(&test.db, "posts").await?;
            assert_made_by(&test, STORE, &models.large).await;
        }
        assert_eq!(objects(&test).await, before);
        Ok(())
    })
    .await;
}
