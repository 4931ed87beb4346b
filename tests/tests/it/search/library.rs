//! Passages with a composite key and up to hundreds of chunks, on shelves; vectors of small whole numbers, so that many
//! are at the same distance and Rust computes it to the last bit as pgvector does.

use pgai_sea::migration::prelude::*;
use pgai_sea::prelude::*;
use pgai_sea_tests::{Random, TestDatabase, TestResult};

/// The source.
pub(super) mod passage {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "passages")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub number: i32,
        pub title: String,
        pub shelf_id: i32,
        #[vectorizer(dimensions = 3, name = "chunks")]
        pub body: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(
            belongs_to = "super::shelf::Entity",
            from = "Column::ShelfId",
            to = "super::shelf::Column::Id"
        )]
        Shelf,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// A third table, which knows nothing of vectors.
pub(super) mod shelf {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "scan")] // a name that statements of searches might use themselves
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub room: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) type Key = (String, i32);

/// A chunk as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stored {
    pub(super) key: Key,
    pub(super) seq: i32,
    pub(super) vector: [f32; 3],
}

impl Stored {
    pub(super) fn shelf(&self) -> i32 {
        shelf_of(&self.key)
    }
}

pub(super) fn shelf_of((_, number): &Key) -> i32 {
    number % 3 + 1
}

pub(super) const TENANTS: [&str; 3] = ["a", "b", "c"];
pub(super) const PASSAGES: i32 = 20;

/// All keys, in their order.
pub(super) fn keys() -> Vec<Key> {
    let tenants = TENANTS.into_iter();
    tenants
        .flat_map(|tenant| (1..=PASSAGES).map(move |number| (tenant.to_owned(), number)))
        .collect()
}

/// Some chunks of each passage; of the third of tenant a and the second of tenant b hundreds.
pub(super) fn chunks(random: &mut Random) -> Vec<Stored> {
    let mut chunks = Vec::new();
    for key in keys() {
        let count: i32 = match (key.0.as_str(), key.1) {
            ("a", 3) => 400,
            ("b", 2) => 150,
            _ => random.below(5).try_into().unwrap(),
        };
        for seq in 0..count {
            // the long ones are nearest to what is asked for below
            let near = count > 100;
            chunks.push(Stored {
                key: key.clone(),
                seq,
                vector: if near {
                    [3.0, 2.0 + small(random).signum(), 1.0]
                } else {
                    [0; 3].map(|_| small(random))
                },
            });
        }
    }
    chunks
}

/// -3 to 3, without 0.
pub(super) fn small(random: &mut Random) -> f32 {
    [-3.0, -2.0, -1.0, 1.0, 2.0, 3.0][usize::try_from(random.below(6)).unwrap()]
}

/// pgvector's arithmetic: sums of single precision, the rest of double. Exact for sums that single precision holds.
pub(super) fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| f64::from(a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>());
    let sum = |f: fn(f32) -> f32| f64::from(a.iter().zip(b).map(|(a, b)| f(a - b)).sum::<f32>());
    match metric {
        Metric::Cosine => 1.0 - (dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()).clamp(-1.0, 1.0),
        Metric::L2 => sum(|d| d * d).sqrt(),
        Metric::InnerProduct => -dot(a, b),
        Metric::L1 => sum(f32::abs),
        other => panic!("{other:?} is new: compute it here"),
    }
}

/// What an exact search finds: by distance, then by key and place.
pub(super) fn ranked(
    chunks: &[Stored],
    metric: Metric,
    query: &[f32],
    keep: impl Fn(&Stored) -> bool,
) -> Vec<(f64, Key, i32)> {
    let mut all: Vec<_> = chunks
        .iter()
        .filter(|chunk| keep(chunk))
        .map(|chunk| (distance(metric, &chunk.vector, query), chunk.key.clone(), chunk.seq))
        .filter(|(distance, ..)| !distance.is_nan())
        .collect();
    all.sort_by(|a, b| a.partial_cmp(b).unwrap());
    all
}

/// The same with the first of each key alone.
pub(super) fn grouped(ranked: &[(f64, Key, i32)]) -> Vec<(f64, Key, i32)> {
    let mut best: Vec<(f64, Key, i32)> = Vec::new();
    for hit in ranked {
        if best.iter().all(|(_, key, _)| *key != hit.1) {
            best.push(hit.clone());
        }
    }
    best
}

/// From `offset` at most `limit`.
pub(super) fn page<T: Clone>(all: &[T], offset: usize, limit: usize) -> Vec<T> {
    all.iter().skip(offset).take(limit).cloned().collect()
}

/// What was found, comparable with [`ranked`].
pub(super) fn found(hits: &[Hit<Key>]) -> Vec<(f64, Key, i32)> {
    hits.iter()
        .map(|hit| (hit.distance, hit.embedding.source_key.clone(), hit.embedding.chunk_seq))
        .collect()
}

pub(super) async fn create(test: &TestDatabase) -> TestResult {
    test.execute(
        "create table scan (id int primary key, room text not null);
         insert into scan values (1, 'attic'), (2, 'cellar'), (3, 'hall');
         create table passages (tenant text, number int, title text not null, shelf_id int not null references scan,
             body text not null, primary key (tenant, number))",
    )
    .await?;
    SchemaManager::new(&test.db)
        .create_vectorizer(
            CreateVectorizer::new("passages")
                .loading(Loading::column("body"))
                .embedding(Embedding::ollama("m", 3)),
        )
        .await?;
    let rows: Vec<String> = keys()
        .iter()
        .map(|key| {
            let (tenant, number) = key;
            format!("('{tenant}', {number}, '{tenant}{number}', {}, 'text')", shelf_of(key))
        })
        .collect();
    test.execute(&format!("insert into passages values {}", rows.join(",")))
        .await?;
    Ok(())
}

/// Replaces what is stored, as a worker with a model of these vectors would.
pub(super) async fn store(test: &TestDatabase, chunks: &[Stored]) -> TestResult {
    test.execute("truncate passages_embedding_store").await?;
    for chunks in chunks.chunks(1_000) {
        let rows: Vec<String> = chunks
            .iter()
            .map(
                |Stored {
                     key,
                     seq,
                     vector: [x, y, z],
                 }| {
                    let (tenant, number) = key;
                    format!("('{tenant}', {number}, {seq}, '{tenant}{number}#{seq}', '[{x:e},{y:e},{z:e}]'::vector)")
                },
            )
            .collect();
        test.execute(&format!(
            "insert into passages_embedding_store (tenant, number, chunk_seq, chunk, embedding) values {}",
            rows.join(",")
        ))
        .await?;
    }
    Ok(())
}

/// The table with its chunks, which are given back.
pub(super) async fn filled(test: &TestDatabase) -> Result<Vec<Stored>, Box<dyn std::error::Error + Send + Sync>> {
    create(test).await?;
    let chunks = chunks(&mut Random::new(7));
    store(test, &chunks).await?;
    Ok(chunks)
}
