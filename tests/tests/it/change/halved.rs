//! From `vector` to `halfvec` and back: vectors are cast, and none is paid for.

use std::sync::Arc;

use pgai_sea::change::{self, Compare, Plan};
use pgai_sea::config::Embedding;
use pgai_sea::embedder::Embedder;
use pgai_sea::pgvector::VectorType;
use pgai_sea::prelude::*;
use pgai_sea::{ChangeVectorizer, Embedders};
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_catalog};

use super::support::{Models, POSTS, objects};

mod post {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "posts")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        #[vectorizer(dimensions = 8, name = "bodies")]
        pub body: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

use post::bodies;

const STORE: &str = "posts_embedding_store";

fn to(vector_type: VectorType) -> ChangeVectorizer {
    ChangeVectorizer::new("posts").vector_type(vector_type)
}

/// The type of a store's vectors.
async fn type_of(test: &TestDatabase, store: &str) -> String {
    let sql = format!(
        "select format_type(atttypid, atttypmod) from pg_attribute
         where attrelid = '{store}'::regclass and attname = 'embedding'"
    );
    test.value(&sql).await.unwrap()
}

/// The chunks of two stores whose vectors are not the same as `halfvec`.
async fn differ(test: &TestDatabase, one: &str, other: &str) -> i64 {
    test.value(&format!(
        "select count(*) from {one} a full join {other} b using (id, chunk_seq)
         where a.chunk is distinct from b.chunk or a.embedding::halfvec(8) is distinct from b.embedding::halfvec(8)"
    ))
    .await
    .unwrap()
}

/// What an index is over and how it is called.
async fn indexes(test: &TestDatabase) -> Vec<String> {
    test.values(&format!(
        "select indexname || ' ' || regexp_replace(indexdef, '^.* USING ', '') from pg_indexes
         where tablename = '{STORE}' and indexdef ~ 'hnsw' order by 1"
    ))
    .await
    .unwrap()
}

#[tokio::test]
async fn vectors_are_cast_and_nothing_is_paid() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(POSTS).await?;
        test.execute(&format!(
            "create index posts_near on {STORE} using hnsw (embedding vector_cosine_ops)"
        ))
        .await?;
        let models = Models::new();
        models.run(&test).await;
        test.execute(&format!("vacuum analyze {STORE}")).await?;
        let (before, paid) = (objects(&test).await, models.small.paid());
        let embedders = Embedders::new().embedder("ollama", "small", Arc::clone(&models.small) as Arc<dyn Embedder>);
        let text = "T7: text number 107";
        let finds = async || {
            let hits = bodies::Entity::search_text(&embedders, text)
                .limit(3)
                .all(&test.db)
                .await?;
            let first = hits.first().ok_or("no hits")?;
            let is_it = first.embedding.chunk == text && first.distance.abs() < 1e-4;
            assert!(hits.len() == 3 && is_it, "{hits:?}");
            let own = bodies::Entity::search(models.small.vector(text))
                .model("small")
                .one(&test.db)
                .await?;
            assert_eq!(own.map(|hit| hit.embedding.chunk).as_deref(), Some(text));
            TestResult::Ok(())
        };

        let plan = Plan::new().run(&test.db, &to(VectorType::HalfVec)).await?;
        assert!(plan.needs_generation, "{plan:?}");
        assert_eq!((plan.chunks, plan.copied, plan.tokens), (300, 300, 0), "{plan:?}");
        let new = change::start(&test.db, &to(VectorType::HalfVec)).await?;
        assert_eq!(
            change::start(&test.db, &to(VectorType::HalfVec)).await?,
            new,
            "once more is the same"
        );
        finds().await?;
        models.run(&test).await;
        // the questions of the searches are asked of the model, and no chunk
        assert_eq!(models.small.paid() - paid, 1, "one question");
        assert_eq!(type_of(&test, "posts_embedding_store_new").await, "halfvec(8)");
        assert_eq!(differ(&test, STORE, "posts_embedding_store_new").await, 0);
        finds().await?;
        let compared = Compare::new().k(5).run(&test.db, "posts").await?;
        assert!(compared.overlap > 0.99, "{compared:?}");

        change::cut_over(&test.db, "posts").await?;
        assert_eq!(type_of(&test, STORE).await, "halfvec(8)");
        assert_eq!(type_of(&test, "posts_embedding_store_old").await, "vector(8)");
        assert_eq!(indexes(&test).await, ["posts_near hnsw (embedding halfvec_cosine_ops)"]);
        finds().await?;
        // both are kept current
        test.execute("update posts set body = 'edited' where id <= 10; delete from posts where id > 290")
            .await?;
        models.run(&test).await;
        assert_eq!(differ(&test, STORE, "posts_embedding_store_old").await, 0);
        change::roll_back(&test.db, "posts").await?;
        assert_eq!(type_of(&test, STORE).await, "vector(8)");
        assert_eq!(indexes(&test).await, ["posts_near hnsw (embedding vector_cosine_ops)"]);
        finds().await?;
        change::cut_over(&test.db, "posts").await?;
        change::finish(&test.db, "posts").await?;
        assert_eq!(objects(&test).await, before);
        finds().await?;

        // and back
        test.execute(&format!("create table halves as select * from {STORE}"))
            .await?;
        let paid = models.small.paid();
        change::start(&test.db, &to(VectorType::Vector)).await?;
        models.run(&test).await;
        change::cut_over(&test.db, "posts").await?;
        finds().await?;
        change::finish(&test.db, "posts").await?;
        assert_eq!(models.small.paid(), paid, "nothing is asked for");
        assert_eq!(type_of(&test, STORE).await, "vector(8)");
        assert_eq!(differ(&test, STORE, "halves").await, 0);
        let stored: i64 = test
            .value("select count(*) from ai.vectorizer where config -> 'destination' ? 'vector_type'")
            .await?;
        assert_eq!(stored, 0);
        test.execute("drop table halves").await?;
        assert_eq!(objects(&test).await, before);
        Ok(())
    })
    .await;
}

/// Another model in the same step is paid for, and a change of the model alone keeps the type.
#[tokio::test]
async fn a_change_of_the_model_keeps_the_type() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(POSTS).await?;
        let models = Models::new();
        models.run(&test).await;
        let both = to(VectorType::HalfVec).embedding(Embedding::ollama("large", 12));
        let plan = Plan::new().run(&test.db, &both).await?;
        assert_eq!((plan.chunks, plan.copied), (300, 0), "{plan:?}");
        change::start(&test.db, &both).await?;
        models.run(&test).await;
        assert_eq!(models.large.paid(), 300);
        change::cut_over(&test.db, "posts").await?;
        change::finish(&test.db, "posts").await?;
        assert_eq!(type_of(&test, STORE).await, "halfvec(12)");
        let model = ChangeVectorizer::new("posts").embedding(Embedding::ollama("other", 8));
        change::start(&test.db, &model).await?;
        models.run(&test).await;
        change::cut_over(&test.db, "posts").await?;
        assert_eq!(type_of(&test, STORE).await, "halfvec(8)");
        let same = ChangeVectorizer::new("posts").vector_type(VectorType::HalfVec);
        change::finish(&test.db, "posts").await?;
        let id = pgai_sea::catalog::vectorizer(&test.db, "posts").await?.id;
        assert_eq!(change::start(&test.db, &same).await?, id, "it is one already");
        assert_eq!(change::find(&test.db, "posts").await?, None);
        Ok(())
    })
    .await;
}

/// An index of half vectors over a store of whole ones becomes an index over the column itself.
#[tokio::test]
async fn an_index_over_a_cast_comes_along() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(POSTS).await?;
        test.execute(&format!(
            "create index posts_small on {STORE} using hnsw ((embedding::halfvec(8)) halfvec_l2_ops) with (m = 8);
             create index posts_bits on {STORE} using hnsw ((binary_quantize(embedding)::bit(8)) bit_hamming_ops)"
        ))
        .await?;
        let models = Models::new();
        models.run(&test).await;
        change::start(&test.db, &to(VectorType::HalfVec)).await?;
        models.run(&test).await;
        change::cut_over(&test.db, "posts").await?;
        let indexes = indexes(&test).await;
        assert!(
            indexes.len() == 2
                && indexes[0].starts_with("posts_bits ")
                && indexes[0].contains("bit_hamming_ops")
                && indexes[1] == "posts_small hnsw (embedding halfvec_l2_ops) WITH (m='8')",
            "{indexes:?}"
        );
        change::finish(&test.db, "posts").await?;
        Ok(())
    })
    .await;
}

/// The plan says that half the disk is taken.
#[tokio::test]
async fn the_plan_says_how_much_smaller_it_becomes() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(
            "create table posts (id int primary key, body text);
             insert into posts select i, 'text ' || i from generate_series(1, 500) i;
             select ai.create_vectorizer('posts', name => 'posts', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('small', 1000), chunking => ai.chunking_none());
             insert into posts_embedding_store (id, chunk_seq, chunk, embedding)
             select id, 0, body, (select array_agg(random()) from generate_series(1, 1000) where id > 0)::vector
             from posts",
        )
        .await?;
        test.execute(&format!("vacuum analyze {STORE}")).await?;
        let size: i64 = test.value(&format!("select pg_total_relation_size('{STORE}')")).await?;
        let plan = Plan::new().run(&test.db, &to(VectorType::HalfVec)).await?;
        let share = f64::from(u32::try_from(plan.disk)?) / f64::from(u32::try_from(size)?);
        assert!((0.4..0.6).contains(&share), "{} of {size}: {plan:?}", plan.disk);
        Ok(())
    })
    .await;
}

/// Somebody writes the type into the configuration, which the store's column does not have.
#[tokio::test]
async fn a_type_that_is_edited_in_place_is_refused_with_the_operation() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(POSTS).await?;
        let models = Models::new();
        models.run(&test).await;
        test.execute(
            r#"update ai.vectorizer set config = jsonb_set(config, '{destination,vector_type}', '"halfvec"')"#,
        )
        .await?;
        let report = models.worker(&test).run_once().await?;
        let said = report.errors().map(|error| error.1).collect::<Vec<_>>().join("\n");
        assert!(
            said.contains("edited to the type halfvec, and its vectors are of the type vector")
                && said.contains("select ai.change_vectorizer('posts', vector_type => ..)"),
            "{said}"
        );
        Ok(())
    })
    .await;
}

/// A column of the source has the type that the application gave it, in the next generation as well.
#[tokio::test]
async fn a_column_keeps_its_type_and_has_it_from_the_table() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(
            "create table posts (id int primary key, body text, e halfvec(8));
             insert into posts select i, 'text ' || i from generate_series(1, 20) i;
             select ai.create_vectorizer('posts', name => 'posts', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('small', 8), chunking => ai.chunking_none(),
                destination => ai.destination_column('e'))",
        )
        .await?;
        let models = Models::new();
        models.run(&test).await;
        let refused = change::start(&test.db, &to(VectorType::Vector))
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains("the vectors are in the column \"e\""), "{refused}");
        let refused = Plan::new()
            .run(&test.db, &to(VectorType::HalfVec))
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains("in a column of the source"), "{refused}");
        let larger = ChangeVectorizer::new("posts").embedding(Embedding::ollama("large", 12));
        change::start(&test.db, &larger).await?;
        models.run(&test).await;
        change::cut_over(&test.db, "posts").await?;
        change::finish(&test.db, "posts").await?;
        let columns: Vec<String> = test
            .values(
                "select attname || ' ' || format_type(atttypid, atttypmod) from pg_attribute
                 where attrelid = 'posts'::regclass and attnum > 2 and not attisdropped",
            )
            .await?;
        assert_eq!(columns, ["e halfvec(12)"]);
        assert_eq!(test.value::<i64>("select count(e) from posts").await?, 20);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_command_changes_the_type() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(POSTS).await?;
        let models = Models::new();
        models.run(&test).await;
        let run = |arguments: &[&str]| {
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
                .args(["change", arguments[0], "-i", "posts", "-d", &test.url])
                .args(&arguments[1..])
                .stdin(std::process::Stdio::null())
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(
                output.status.success(),
                "{said}{}",
                String::from_utf8_lossy(&output.stderr)
            );
            said
        };
        let said = run(&["plan", "--vector-type", "halfvec"]);
        assert!(
            said.contains("to embed  0 (300 are copied") && said.contains("tokens    0"),
            "{said}"
        );
        run(&["start", "--vector-type", "halfvec"]);
        models.run(&test).await;
        run(&["cut-over"]);
        assert_eq!(type_of(&test, STORE).await, "halfvec(8)");
        Ok(())
    })
    .await;
}
