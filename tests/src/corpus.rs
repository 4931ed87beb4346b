//! Many rows with vectors that are distributed as a model's are, without a model.
//!
//! A model's vectors have hundreds of numbers and far fewer degrees of freedom: texts lie in topics, topics vary along
//! a few dozen directions, some of which matter more than others, and all vectors share a common part. So a vector here
//! is `normalize(common + directions · (topic + text) + noise)`: 32 directions whose strength decreases with the square
//! root of their number, 1,000 topics that are normally distributed along them, texts that differ from their topic half
//! as much as topics differ from each other, a common part as long as a topic, and a tenth of noise in all dimensions.
//! Noise alone would be another matter: it has no near and far, which no index can do anything about.

use pgai_sea::migration::prelude::*;
use sea_orm::sqlx::{Connection as _, PgConnection, query};

use crate::{Random, TestDatabase, TestResult};

/// The length of the vectors.
pub const DIMENSIONS: usize = 384;
const DIRECTIONS: usize = 32;
const TOPICS: usize = 1_000;
/// One in so many articles belongs to a tenant.
pub const TENANTS: i32 = 100;

/// One in so many articles stands on a shelf.
pub const SHELVES: i32 = 2_000;

/// What binary data of `COPY` begin with, and end with.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: i16 = -1;
/// Bytes that are sent at once.
const SENT: usize = 1 << 20;

/// The source; its companion has one chunk for each article.
pub mod article {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    /// An article of a tenant.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "articles")]
    pub struct Model {
        /// From 1.
        #[sea_orm(primary_key)]
        pub id: i32,
        /// From 0.
        pub tenant: i32,
        /// From 0.
        pub shelf: i32,
        /// A few words.
        pub title: String,
        /// About two hundred characters.
        #[vectorizer(dimensions = 384, name = "embeddings")]
        pub body: String,
    }

    /// None but to its embeddings.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Vectors as described above, the same in every run.
#[derive(Debug)]
pub struct Corpus {
    random: Random,
    common: Vec<f32>,
    directions: Vec<Vec<f32>>,
    topics: Vec<Vec<f32>>,
}

impl Corpus {
    /// The vectors that belong to this seed.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let directions = normals(&mut random, DIRECTIONS, DIMENSIONS);
        let mut topics = normals(&mut random, TOPICS, DIRECTIONS);
        for topic in &mut topics {
            for (place, strength) in (1_u16..).zip(topic) {
                *strength /= f32::from(place).sqrt();
            }
        }
        let common = normals(&mut random, 1, DIMENSIONS).remove(0);
        Self {
            random,
            common: common.into_iter().map(|x| x * 2.0).collect(),
            directions,
            topics,
        }
    }

    /// Another text's vector, of length 1.
    pub fn vector(&mut self) -> Vec<f32> {
        let topic = &self.topics[below(&mut self.random, TOPICS)];
        let mut vector: Vec<f32> = self.common.iter().map(|x| x + 0.2 * normal(&mut self.random)).collect();
        for (place, (strength, direction)) in (1_u16..).zip(topic.iter().zip(&self.directions)) {
            let strength = strength + 0.5 * normal(&mut self.random) / f32::from(place).sqrt();
            for (x, along) in vector.iter_mut().zip(direction) {
                *x += strength * along;
            }
        }
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        vector.into_iter().map(|x| x / length).collect()
    }

    /// Creates the vectorizer and `rows` articles with their vectors, as if a worker had been here. There is no index
    /// yet.
    pub async fn fill(&mut self, test: &TestDatabase, rows: i32) -> TestResult {
        let create = CreateVectorizer::new("articles")
            .loading(Loading::column("body"))
            .embedding(Embedding::ollama("none", 384));
        self.fill_for(test, rows, create).await
    }

    /// The same with another vectorizer of the articles' `body`, whose store has its default name.
    pub async fn fill_for(&mut self, test: &TestDatabase, rows: i32, create: CreateVectorizer) -> TestResult {
        test.execute(
            "create table articles
                 (id int primary key, tenant int not null, shelf int not null, title text not null,
                  body text not null)",
        )
        .await?;
        SchemaManager::new(&test.db).create_vectorizer(create).await?;
        test.execute(&format!(
            "insert into articles select i, i % {TENANTS}, i::int8 * 7919 % {SHELVES}, 'title ' || i,
                 repeat(md5(i::text), 6) from generate_series(1, {rows}) i"
        ))
        .await?;
        let mut connection = PgConnection::connect(&test.url).await?;
        let of_halves: bool = test
            .value(
                "select pg_typeof(embedding)::text = 'halfvec'
                 from (select null) n left join articles_embedding_store on true",
            )
            .await?;
        // what is copied has the binary form of a vector
        let table = if of_halves {
            "vectors"
        } else {
            "articles_embedding_store"
        };
        if of_halves {
            query("create temporary table vectors (id int, chunk_seq int, chunk text, embedding vector)")
                .execute(&mut connection)
                .await?;
        }
        let copy = format!("copy {table} (id, chunk_seq, chunk, embedding) from stdin (format binary)");
        let mut copy = connection.copy_in_raw(&copy).await?;
        let mut data = HEADER.to_vec();
        for id in 1..=rows {
            self.tuple(id, &mut data);
            if data.len() >= SENT {
                copy.send(std::mem::take(&mut data)).await?;
            }
        }
        data.extend(TRAILER.to_be_bytes());
        copy.send(data).await?;
        copy.finish().await?;
        if of_halves {
            query("insert into articles_embedding_store (id, chunk_seq, chunk, embedding) select * from vectors")
                .execute(&mut connection)
                .await?;
        }
        connection.close().await?;
        Ok(())
    }

    /// A row of the store, as `COPY` takes it.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "lengths are small"
    )]
    fn tuple(&mut self, id: i32, data: &mut Vec<u8>) {
        let chunk = format!("{id:0>192}");
        data.extend(4_i16.to_be_bytes());
        for number in [4, id, 4, 0, chunk.len() as i32] {
            data.extend(number.to_be_bytes());
        }
        data.extend(chunk.as_bytes());
        let vector = self.vector();
        data.extend((4 + 4 * vector.len() as i32).to_be_bytes());
        data.extend((vector.len() as i16).to_be_bytes());
        data.extend(0_i16.to_be_bytes());
        for number in vector {
            data.extend(number.to_be_bytes());
        }
    }

    /// An HNSW index for the cosine, with pgvector's default options.
    pub async fn index(test: &TestDatabase) -> TestResult {
        test.execute(
            "set maintenance_work_mem = '4GB'; set max_parallel_maintenance_workers = 4;
             create index articles_hnsw on articles_embedding_store using hnsw (embedding vector_cosine_ops);
             reset maintenance_work_mem; reset max_parallel_maintenance_workers",
        )
        .await?;
        test.execute("vacuum analyze articles").await?;
        test.execute("vacuum analyze articles_embedding_store").await?;
        Ok(())
    }
}

fn normals(random: &mut Random, count: usize, length: usize) -> Vec<Vec<f32>> {
    (0..count)
        .map(|_| (0..length).map(|_| normal(random)).collect())
        .collect()
}

/// Normally distributed, nearly: the sum of eight numbers from -1/2 to 1/2, stretched to a deviation of 1.
fn normal(random: &mut Random) -> f32 {
    let sum: f32 = random
        .bits()
        .to_le_bytes()
        .map(|byte| f32::from(byte) / 255.0 - 0.5)
        .iter()
        .sum();
    sum * 1.5_f32.sqrt()
}

fn below(random: &mut Random, end: usize) -> usize {
    usize::try_from(random.below(end as u64)).unwrap_or_default()
}
