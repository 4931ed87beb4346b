//! Vectors that are stored as `halfvec`: written, indexed, searched, declared.

use std::sync::Arc;

use pgai_sea::check::check_module;
use pgai_sea::embedder::{EmbedError, Embeddings, InputType};
use pgai_sea::migration::prelude::*;
use pgai_sea::prelude::*;
use pgai_sea::search::{Location, Quantized, SearchAll};
use pgai_sea::worker::Worker;
use pgai_sea_tests::providers::embedding_of;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_catalog};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityLoaderTrait, EntityTrait, QueryFilter, QueryOrder, Schema,
    TransactionTrait,
};

mod film {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "films")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub title: String,
        #[vectorizer(
            dimensions = 8,
            halfvec,
            name = "plots",
            embedding = Embedding::ollama("m", 8),
            chunking = Chunking::none(),
            indexing = Indexing::hnsw().min_rows(1)
        )]
        pub plot: String,
        pub plots: HasMany<plots::Entity>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// The same table, as it is declared without the option.
mod whole {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "films")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub title: String,
        #[vectorizer(
            dimensions = 8,
            name = "plots",
            embedding = Embedding::ollama("m", 8),
            chunking = Chunking::none(),
            indexing = Indexing::hnsw().min_rows(1)
        )]
        pub plot: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

use film::plots;

const FILMS: i32 = 200;

/// Embeds a text as the model `m` of any length.
#[derive(Clone, Debug)]
struct Model(usize);

#[async_trait::async_trait]
impl Embedder for Model {
    async fn embed(&self, texts: &[&str], _: InputType) -> Result<Embeddings, EmbedError> {
        Ok(Embeddings::new(
            texts.iter().map(|text| embedding_of("m", text, self.0)).collect(),
        ))
    }
}

async fn work(test: &TestDatabase, dimensions: usize) -> TestResult {
    let report = Worker::new(test.db.clone())
        .embedder("ollama", "m", Arc::new(Model(dimensions)))
        .run_once()
        .await?;
    assert_eq!(report.errors().count(), 0, "{report:?}");
    Ok(())
}

async fn films(test: &TestDatabase) -> TestResult {
    let table = Schema::new(test.db.get_database_backend()).create_table_from_entity(film::Entity);
    test.db.execute(&table).await?;
    SchemaManager::new(&test.db)
        .create_vectorizer(plots::Entity::vectorizer())
        .await?;
    test.execute(&format!(
        "insert into films (title, plot) select 'T' || i % 10, 'plot ' || i from generate_series(1, {FILMS}) i"
    ))
    .await?;
    work(test, 8).await
}

fn vector(text: &str) -> Vec<f32> {
    embedding_of("m", text, 8)
}

/// As it is stored.
fn halved(text: &str) -> Vec<f32> {
    HalfVec::from(vector(text)).to_vec()
}

fn cosine_distance(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
    1.0 - dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// The keys in the order of their distances, which are those of the halved vectors.
fn nearest(query: &str) -> Vec<(i32, f64)> {
    let mut all: Vec<(i32, f64)> = (1..=FILMS)
        .map(|id| (id, cosine_distance(&halved(query), &halved(&format!("plot {id}")))))
        .collect();
    all.sort_by(|a, b| a.1.total_cmp(&b.1));
    all
}

/// A transaction in which a small table's index is worth it.
async fn with_index(test: &TestDatabase) -> Result<DatabaseTransaction, sea_orm::DbErr> {
    let transaction = test.db.begin().await?;
    transaction
        .execute_unprepared("set local enable_seqscan = off; set local enable_sort = off")
        .await?;
    Ok(transaction)
}

#[tokio::test]
async fn a_worker_writes_halved_vectors_and_their_index() {
    on_catalog(Catalog::Ours, async |test| {
        films(&test).await?;
        let column = "select format_type(atttypid, atttypmod) from pg_attribute
            where attrelid = 'films_embedding_store'::regclass and attname = 'embedding'";
        assert_eq!(test.value::<String>(column).await?, "halfvec(8)");
        let indexes: Vec<String> = test
            .values("select indexdef from pg_indexes where tablename = 'films_embedding_store' and indexdef ~ 'hnsw'")
            .await?;
        assert!(
            indexes.len() == 1 && indexes[0].contains("(embedding halfvec_cosine_ops)"),
            "{indexes:?}"
        );
        // as the database itself would round them
        let other: i64 = test
            .value(&format!(
                "select count(*) from films_embedding_store where id = 7 and embedding <> '{:?}'::vector::halfvec",
                vector("plot 7")
            ))
            .await?;
        assert_eq!(other, 0);
        let stored = plots::Entity::find()
            .order_by_asc(plots::Column::Id)
            .all(&test.db)
            .await?;
        assert_eq!(stored.len(), 200);
        for chunk in &stored {
            assert_eq!(chunk.embedding, HalfVec::from(vector(&chunk.chunk)), "{}", chunk.chunk);
        }
        // an edit is written by the other way, beside a chunk that stays; a store with places takes no copies
        test.execute(
            "select ai._vectorizer_add_places('films_embedding_store');
             update films set plot = 'another plot' where id = 3;
             insert into films (title, plot) values ('new', 'a new plot')",
        )
        .await?;
        work(&test, 8).await?;
        for (id, text) in [(3, "another plot"), (FILMS + 1, "a new plot")] {
            let chunk = plots::Entity::find()
                .filter(plots::Column::Id.eq(id))
                .one(&test.db)
                .await?
                .ok_or("not embedded")?;
            assert_eq!(chunk.embedding, HalfVec::from(vector(text)));
        }
        // the loader reads them, too
        let film = film::Entity::load()
            .filter_by_id(3)
            .with(plots::Entity)
            .one(&test.db)
            .await?
            .ok_or("no film")?;
        assert_eq!(film.plots[0].embedding, HalfVec::from(vector("another plot")));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn searches_of_every_kind_compare_halved_vectors() {
    on_catalog(Catalog::Ours, async |test| {
        films(&test).await?;
        let all = nearest("plot 50");
        let keys: Vec<i32> = all.iter().take(10).map(|one| one.0).collect();
        let search = || plots::Entity::search(vector("plot 50")).limit(10);
        let found = |hits: &[Hit<i32>]| hits.iter().map(|hit| hit.embedding.source_key).collect::<Vec<_>>();
        for exact in [true, false] {
            // of a few rows the index misses none
            let search = || {
                if exact {
                    search().exact()
                } else {
                    search().ef_search(400)
                }
            };
            let hits = search().with_vectors().all(&test.db).await?;
            assert_eq!(found(&hits), keys);
            for (hit, (key, distance)) in hits.iter().zip(&all) {
                assert!((hit.distance - distance).abs() < 1e-5, "{hit:?} {distance}");
                let vector = hit.embedding.embedding.as_ref().ok_or("no vector")?;
                assert_eq!(
                    vector.to_vec(),
                    halved(&format!("plot {key}")),
                    "32 bits, whatever is stored"
                );
            }
            let hits = search().with_source().all(&test.db).await?;
            assert_eq!(hits.iter().map(|hit| hit.source.id).collect::<Vec<_>>(), keys);
            let hits = search().best_per_source().with_neighbours(1, 1).all(&test.db).await?;
            assert_eq!(found(&hits), keys);
            let json = search().with_vectors().into_json().all(&test.db).await?;
            assert_eq!(
                json[0]["embedding"]["embedding"].as_array().map(Vec::len),
                Some(8),
                "{json:?}"
            );
        }
        let rows = film::Entity::search(vector("plot 50")).limit(10).all(&test.db).await?;
        assert_eq!(rows.iter().map(|hit| hit.source.id).collect::<Vec<_>>(), keys);
        assert_eq!(search().max_distance(all[4].1 + 1e-6).count(&test.db).await?, 5);
        let filtered = search()
            .filter(film::Column::Title.eq("T3"))
            .exact()
            .all(&test.db)
            .await?;
        let expected: Vec<i32> = all.iter().map(|one| one.0).filter(|id| id % 10 == 3).take(10).collect();
        assert_eq!(found(&filtered), expected);

        // pages: by number, by cursor
        let page = search().page(1, 4).all(&test.db).await?;
        assert_eq!(found(&page), keys[4..8]);
        let first = search().limit(4).after(None).all(&test.db).await?;
        let next = search()
            .limit(4)
            .after(first.next_cursor().cloned())
            .all(&test.db)
            .await?;
        assert_eq!(found(&next), keys[4..8]);

        Ok(())
    })
    .await;
}

#[tokio::test]
async fn rows_are_ranked_and_located_by_halved_vectors() {
    on_catalog(Catalog::Ours, async |test| {
        films(&test).await?;
        let all = nearest("plot 50");
        let keys: Vec<i32> = all.iter().take(10).map(|one| one.0).collect();
        let search = || plots::Entity::search(vector("plot 50")).limit(10);
        let found = |hits: &[Hit<i32>]| hits.iter().map(|hit| hit.embedding.source_key).collect::<Vec<_>>();
        // like a row, by its vector
        let like = plots::Entity::search_like(50).limit(9).exact().all(&test.db).await?;
        assert_eq!(found(&like), keys[1..]);
        // ranked
        let hybrid = search().hybrid(FullText::any("plot")).all(&test.db).await?;
        assert_eq!(hybrid.len(), 10);
        let diverse = search().diversify(1.0).all(&test.db).await?;
        assert_eq!(
            diverse.iter().map(|hit| hit.embedding.source_key).collect::<Vec<_>>(),
            keys
        );
        let diverse = search().diversify(0.1).all(&test.db).await?;
        assert_ne!(
            diverse.iter().map(|hit| hit.embedding.source_key).collect::<Vec<_>>(),
            keys
        );
        // in one box
        let both = SearchAll::new()
            .add(search(), |hit| hit.embedding.source_key)
            .add(film::Entity::search(vector("plot 51")).limit(10), |hit| -hit.source.id)
            .limit(2)
            .all(&test.db)
            .await?;
        let mut both: Vec<i32> = both.iter().map(|hit| hit.hit).collect();
        both.sort_unstable();
        assert_eq!(both, [-51, 50]);
        // quantized again, which changes nothing, or to bits
        let hits = search().quantized(Quantized::halfvec()).all(&test.db).await?;
        assert_eq!(found(&hits), keys);
        let hits = search()
            .quantized(Quantized::binary().oversample(20))
            .all(&test.db)
            .await?;
        assert_eq!(found(&hits), keys);

        // where a row stands, and what the index misses
        let located = search().locate(keys[2], &test.db).await?;
        assert!(matches!(located, Location::Found { rank: 3, .. }), "{located:?}");
        let located = search().locate(all[20].0, &test.db).await?;
        assert!(matches!(located, Location::BeyondPage { rank: 21, .. }), "{located:?}");
        let transaction = with_index(&test).await?;
        let recall = plots::Entity::recall(10, 20).settings([400]).run(&transaction).await?;
        assert!(recall.index.is_some() && recall.at[0].recall > 0.99, "{recall}");
        transaction.rollback().await?;
        // a vector whose numbers a halfvec cannot hold has a direction all the same
        for scale in [1e6, 1e-9] {
            let far: Vec<f32> = vector("plot 50").into_iter().map(|x| x * scale).collect();
            let hits = plots::Entity::search(far).limit(10).exact().all(&test.db).await?;
            assert_eq!(found(&hits), keys, "{scale}");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_index_serves_these_searches() {
    on_catalog(Catalog::Ours, async |test| {
        films(&test).await?;
        let index: String = test
            .value("select indexname from pg_indexes where tablename = 'films_embedding_store' and indexdef ~ 'hnsw'")
            .await?;
        let transaction = with_index(&test).await?;
        let search = || plots::Entity::search(vector("plot 50")).limit(5);
        let plain = search().explain(&transaction).await?;
        assert_eq!(plain.index(), Some(&*index), "{plain}");
        let with_source = search().with_source().explain(&transaction).await?;
        assert_eq!(with_source.index(), Some(&*index), "{with_source}");
        let filtered = search()
            .filter(film::Column::Title.eq("T3"))
            .explain(&transaction)
            .await?;
        assert_eq!(filtered.index(), Some(&*index), "{filtered}");
        // a program that does not know the type sends the same
        let before = whole::plots::Entity::search(vector("plot 50")).limit(5);
        let before_plan = before.explain(&transaction).await?;
        assert_eq!(before_plan.index(), Some(&*index), "{before_plan}");
        let hits = before.with_vectors().all(&transaction).await?;
        assert_eq!(hits[0].embedding.source_key, 50);
        transaction.rollback().await?;
        Ok(())
    })
    .await;
}

mod long {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "long_texts")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[vectorizer(dimensions = 3072, halfvec, embedding = Embedding::ollama("m", 3072))]
        pub body: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// The default of a database that wants indexes is refused for a `vector` of this length.
#[tokio::test]
async fn three_thousand_numbers_have_an_index_by_default() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute("create table long_texts (id int primary key, body text not null)")
            .await?;
        let transaction = test.db.begin().await?;
        transaction
            .execute_unprepared("set local ai.indexing_default = 'indexing_hnsw'")
            .await?;
        let manager = SchemaManager::new(&transaction);
        manager
            .create_vectorizer(long::body_embeddings::Entity::vectorizer())
            .await?;
        transaction.commit().await?;
        test.execute(
            "update ai.vectorizer set config = jsonb_set(config, '{indexing,min_rows}', '1');
             insert into long_texts select i, 'text ' || i from generate_series(1, 5) i",
        )
        .await?;
        work(&test, 3072).await?;
        let built: String = test
            .value(
                "select indexdef from pg_indexes where tablename = 'long_texts_embedding_store' and indexdef ~ 'hnsw'",
            )
            .await?;
        assert!(built.contains("halfvec_cosine_ops"), "{built}");
        let hits = long::body_embeddings::Entity::search(embedding_of("m", "text 4", 3072))
            .limit(1)
            .all(&test.db)
            .await?;
        assert_eq!(hits[0].embedding.source_key, 4);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_check_says_that_declaration_and_store_are_of_two_types() {
    on_catalog(Catalog::Ours, async |test| {
        films(&test).await?;
        let of = |module: &str| format!("{}::{module}", module_path!());
        let agree = check_module(&test.db, &of("film")).await?;
        assert!(agree.is_empty(), "{agree}");
        let wider = check_module(&test.db, &of("whole")).await?.to_string();
        let module = of("whole::plots");
        assert!(
            wider.contains("the type of the vectors is \"vector\" here and \"halfvec\" in vectorizer ")
                && wider.contains(&format!(
                    "ChangeVectorizer::from({module}::Entity).vector_type(VectorType::Vector)"
                ))
                && wider.contains("a worker casts the vectors"),
            "{wider}"
        );
        // what it advises
        let change = ChangeVectorizer::from(whole::plots::Entity).vector_type(VectorType::Vector);
        let manager = SchemaManager::new(&test.db);
        manager.change_vectorizer(change).await?;
        work(&test, 8).await?;
        manager.cut_over("public_films_embedding_store").await?;
        manager.finish_change("public_films_embedding_store").await?;
        let agree = check_module(&test.db, &of("whole")).await?;
        assert!(agree.is_empty(), "{agree}");
        // an entity that declares the type reads a store of the other one, so it may be deployed before
        let read = plots::Entity::find().all(&test.db).await?;
        assert_eq!(read.len(), 200);
        assert!(
            read.iter()
                .all(|chunk| chunk.embedding == HalfVec::from(vector(&chunk.chunk)))
        );

        let narrower = check_module(&test.db, &of("film")).await?.to_string();
        assert!(
            narrower.contains("the type of the vectors is \"halfvec\" here and \"vector\" in vectorizer ")
                && narrower.contains(&format!(
                    "manager.change_vectorizer({}::Entity.into())",
                    of("film::plots")
                )),
            "{narrower}"
        );
        manager.change_vectorizer(plots::Entity.into()).await?;
        work(&test, 8).await?;
        manager.cut_over("public_films_embedding_store").await?;
        manager.finish_change("public_films_embedding_store").await?;
        let agree = check_module(&test.db, &of("film")).await?;
        assert!(agree.is_empty(), "{agree}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn pgais_catalog_refuses_it_before_anything_is_made() {
    on_catalog(Catalog::Pgai, async |test| {
        let table = Schema::new(test.db.get_database_backend()).create_table_from_entity(film::Entity);
        test.db.execute(&table).await?;
        let manager = SchemaManager::new(&test.db);
        // an index without a schedule is refused there, too
        let create = plots::Entity::vectorizer().indexing(Indexing::none());
        let refused = manager.create_vectorizer(create).await.unwrap_err().to_string();
        assert!(
            refused.contains("halfvec: the database's `ai` schema stores vectors as `vector` alone")
                && refused.contains("install_pgai"),
            "{refused}"
        );
        assert_eq!(test.value::<i64>("select count(*) from ai.vectorizer").await?, 0);

        let create = whole::plots::Entity::vectorizer().indexing(Indexing::none());
        manager.create_vectorizer(create).await?;
        let change = ChangeVectorizer::new(whole::plots::Entity).vector_type(VectorType::HalfVec);
        let refused = manager.change_vectorizer(change).await.unwrap_err().to_string();
        assert!(
            refused.contains("pgai's own `ai` schema cannot store vectors as halfvec"),
            "{refused}"
        );
        assert_eq!(test.value::<i64>("select count(*) from ai.vectorizer").await?, 1);
        let advice = check_module(&test.db, &format!("{}::film", module_path!()))
            .await?
            .to_string();
        assert!(advice.contains("leave out `halfvec` in the attribute"), "{advice}");
        Ok(())
    })
    .await;
}
