//! A source with two hundred rows of three dimensions, embedded without a model so that every distance can be
//! recomputed.

use pgai_sea::migration::prelude::*;
use pgai_sea_tests::{TestDatabase, TestResult};

/// A compact entity; the dense format is the derive's own tests' subject.
pub(crate) mod note {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "notes")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub author: String,
        #[vectorizer(dimensions = 3, name = "embeddings")]
        pub body: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// How many notes there are, one in a hundred of them by `rare`.
pub(crate) const NOTES: i32 = 2_000;

/// The vector of note `id`: never zero, no two in the same direction.
pub(crate) fn vector(id: i32) -> [f32; 3] {
    // a walk over whole numbers, so that SQL and Rust have the same floats
    let turn = |factor: i32| f32::from(TryInto::<i16>::try_into((id * factor) % 2003 - 1001).unwrap());
    [turn(331), turn(577), turn(101) + 0.5]
}

/// Creates the vectorizer and fills its store, as a worker with a model of these vectors would have.
pub(crate) async fn create(test: &TestDatabase) -> TestResult {
    test.execute("create table notes (id int primary key, author text not null, body text not null)")
        .await?;
    SchemaManager::new(&test.db)
        .create_vectorizer(
            CreateVectorizer::new("notes")
                .loading(Loading::column("body"))
                .embedding(Embedding::ollama("m", 3)),
        )
        .await?;
    let rows: Vec<String> = (1..=NOTES)
        .map(|id| {
            format!(
                "({id}, '{}', 'note {id}')",
                if id % 100 == 0 { "rare" } else { "common" }
            )
        })
        .collect();
    test.execute(&format!("insert into notes values {}", rows.join(",")))
        .await?;
    let rows: Vec<String> = (1..=NOTES)
        .map(|id| {
            let [x, y, z] = vector(id);
            format!("({id}, 0, 'chunk of note {id}', '[{x},{y},{z}]')")
        })
        .collect();
    test.execute(&format!(
        "insert into notes_embedding_store (id, chunk_seq, chunk, embedding) values {}",
        rows.join(",")
    ))
    .await?;
    Ok(())
}
