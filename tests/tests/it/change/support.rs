//! Models whose vectors say who made them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use pgai_sea::ChangeVectorizer;
use pgai_sea::config::Embedding;
use pgai_sea::embedder::{EmbedError, Embedder, Embeddings, InputType};
use pgai_sea::worker::{Report, Worker};
use pgai_sea_tests::TestDatabase;
use pgai_sea_tests::providers::embedding_of;

/// Embeds as the test servers do, as the model of its name. It keeps the texts that it was asked for.
#[derive(Debug)]
pub struct Model {
    pub name: &'static str,
    dimensions: usize,
    texts: Mutex<Vec<String>>,
}

impl Model {
    pub fn new(name: &'static str, dimensions: usize) -> Arc<Self> {
        Arc::new(Self {
            name,
            dimensions,
            texts: Mutex::default(),
        })
    }

    pub fn paid(&self) -> usize {
        self.texts.lock().unwrap().len()
    }

    pub fn vector(&self, text: &str) -> Vec<f32> {
        embedding_of(self.name, text, self.dimensions)
    }
}

#[async_trait]
impl Embedder for Model {
    async fn embed(&self, texts: &[&str], _: InputType) -> Result<Embeddings, EmbedError> {
        self.texts
            .lock()
            .unwrap()
            .extend(texts.iter().map(|&text| text.to_owned()));
        Ok(Embeddings::new(texts.iter().map(|text| self.vector(text)).collect()))
    }
}

/// A small model, a larger one, and another of the first one's length.
pub struct Models {
    pub small: Arc<Model>,
    pub large: Arc<Model>,
    pub other: Arc<Model>,
}

impl Models {
    pub fn new() -> Self {
        Self {
            small: Model::new("small", 8),
            large: Model::new("large", 12),
            other: Model::new("other", 8),
        }
    }

    pub fn worker(&self, test: &TestDatabase) -> Worker {
        [&self.small, &self.large, &self.other]
            .into_iter()
            .fold(Worker::new(test.db.clone()), |worker, model| {
                worker.embedder("ollama", model.name, Arc::clone(model) as Arc<dyn Embedder>)
            })
            .poll_interval(Duration::from_millis(50))
            .retry_delay(Duration::from_millis(1))
    }

    pub async fn run(&self, test: &TestDatabase) -> Report {
        let report = self.worker(test).run_once().await.unwrap();
        assert_eq!(report.errors().count(), 0, "{report:?}");
        report
    }

    pub fn by_name(&self, name: &str) -> &Model {
        [&self.small, &self.large, &self.other]
            .into_iter()
            .find(|model| model.name == name)
            .unwrap()
    }
}

/// `posts (id, title, body)` with a vectorizer `posts` of the model `small`.
pub const POSTS: &str = "
    create table posts (id int primary key, title text, body text, likes int not null default 0);
    insert into posts select i, 'T' || i % 100, 'text number ' || i from generate_series(1, 300) i;
    select ai.create_vectorizer('posts', name => 'posts', loading => ai.loading_column('body'),
        embedding => ai.embedding_ollama('small', 8),
        chunking => ai.chunking_character_text_splitter(chunk_size => 20, chunk_overlap => 4, separator => ' '),
        formatting => ai.formatting_python_template('$title: $chunk'))";

/// Every row of `posts` has one chunk, with the vector that `model` makes of its text, and nothing else is there.
pub async fn assert_made_by(test: &TestDatabase, store: &str, model: &Model) {
    let expected: Vec<(String, Vec<f32>)> = test
        .values::<String>("select title || ': ' || body from posts order by id")
        .await
        .unwrap()
        .into_iter()
        .map(|text| {
            let vector = model.vector(&text);
            (text, vector)
        })
        .collect();
    let texts: Vec<String> = test
        .values(&format!("select chunk from {store} order by id"))
        .await
        .unwrap();
    let vectors: Vec<Vec<f32>> = test
        .values(&format!("select embedding::real[] from {store} order by id"))
        .await
        .unwrap();
    let found: Vec<_> = texts.into_iter().zip(vectors).collect();
    assert_eq!(found.len(), expected.len(), "rows in {store}");
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
}

/// The relations, functions and triggers that are there for vectorizers.
pub async fn objects(test: &TestDatabase) -> Vec<String> {
    let sql = "select o from (
            select relkind::text || ' ' || oid::regclass::text as o from pg_class
            where relnamespace in ('public'::regnamespace, 'ai'::regnamespace) and relkind in ('r', 'v', 'i', 'I') \
            and not relispartition
            union all
            select 'f ' || proname from pg_proc where pronamespace in ('public'::regnamespace, 'ai'::regnamespace)
            union all
            select 't ' || tgname from pg_trigger where not tgisinternal
            union all
            select 'p ' || polname || ' ' || polrelid::regclass from pg_policy
            where polrelid in (select oid from pg_class where relnamespace = 'public'::regnamespace)
            union all
            select 'e ' || typname from pg_type where typnamespace = 'ai'::regnamespace and typtype = 'e'
            union all
            select 'g ' || c.oid::regclass || ' ' || g.grantee::regrole || ' ' || g.privilege_type
            from pg_class c cross join aclexplode(c.relacl) g
            where c.relnamespace in ('public'::regnamespace, 'ai'::regnamespace)
            union all
            select 'v ' || name from ai.vectorizer
            union all
            select 'c ' || attrelid::regclass || '.' || attname from pg_attribute
            where attrelid = to_regclass('posts') and attnum > 0 and not attisdropped
        ) o order by 1";
    let objects: Vec<String> = test.values(sql).await.unwrap();
    let number = |object: String| {
        // each generation has a number of its own
        let mut plain = String::new();
        for c in object.chars() {
            match c {
                '0'..='9' if plain.ends_with('#') => {}
                '0'..='9' => plain.push('#'),
                c => plain.push(c),
            }
        }
        plain
    };
    objects.into_iter().map(number).collect()
}

/// The change of `posts` to this model.
pub fn change_to(model: &str, dimensions: usize) -> ChangeVectorizer {
    ChangeVectorizer::new("posts").embedding(Embedding::ollama(model, i32::try_from(dimensions).unwrap()))
}

/// The length of the vectors that the generation which answers has.
pub async fn dimensions_of(test: &TestDatabase) -> Result<usize, sea_orm::DbErr> {
    let dimensions: i32 = test
        .value("select (config #>> '{embedding,dimensions}')::int from ai.vectorizer where name = 'posts'")
        .await?;
    Ok(usize::try_from(dimensions).unwrap())
}
