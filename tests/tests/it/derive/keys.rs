//! Compact entities whose keys are of every kind: the store's rows find their sources, and a search brings both.

use pgai_sea::migration::prelude::*;
use pgai_sea::prelude::*;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_catalog};
use sea_orm::EntityTrait;

/// A compact entity `$module::Model` over a table of that name with a key of one column.
macro_rules! entity {
    ($module:ident, $key:ty $(, $rule:meta)*) => {
        mod $module {
            use pgai_sea::Vectorizer;
            use sea_orm::entity::prelude::*;

            #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
            #[sea_orm(table_name = "texts")]
            pub(super) struct Model {
                #[sea_orm(primary_key $(, $rule)*)]
                pub id: $key,
                #[vectorizer(dimensions = 2, name = "embeddings")]
                pub text: String,
            }

            #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
            pub(super) enum Relation {}

            impl ActiveModelBehavior for ActiveModel {}
        }
    };
}

entity!(small, i32);
entity!(large, i64);
entity!(words, String);
entity!(uuids, Uuid);
entity!(newtype, super::Id, auto_increment = false);

/// A key as domain code has it.
#[derive(Clone, Debug, PartialEq, Eq, sea_orm::DeriveValueType)]
struct Id(i64);

async fn create(test: &TestDatabase, key: &str, columns: &str) -> TestResult {
    test.execute(&format!(
        "create table texts ({columns}, text text not null, primary key ({key}))"
    ))
    .await?;
    SchemaManager::new(&test.db)
        .create_vectorizer(
            CreateVectorizer::new("texts")
                .loading(Loading::column("text"))
                .embedding(Embedding::ollama("m", 2)),
        )
        .await?;
    Ok(())
}

/// Inserts two texts with a chunk each, the second one nearer to `[0, 1]`.
async fn fill(test: &TestDatabase, key: &str, first: &str, second: &str) -> TestResult {
    test.execute(&format!(
        "insert into texts ({key}, text) values ({first}, 'one'), ({second}, 'two');
         insert into texts_embedding_store ({key}, chunk_seq, chunk, embedding)
             values ({first}, 0, 'first', '[1,0]'), ({second}, 0, 'second', '[0,1]')"
    ))
    .await?;
    Ok(())
}

macro_rules! test {
    (
        $test:ident, $module:ident, $type:literal,
        $first:expr => $first_sql:literal, $second:expr => $second_sql:literal
    ) => {
        #[tokio::test]
        async fn $test() {
            use $module::{Column, Entity, embeddings};

            on_both_catalogs(async |test| {
                create(&test, "id", concat!("id ", $type)).await?;
                fill(&test, "id", $first_sql, $second_sql).await?;
                let mut rows = Entity::find()
                    .find_with_related(embeddings::Entity)
                    .all(&test.db)
                    .await?;
                rows.sort_by(|(a, _), (b, _)| a.text.cmp(&b.text));
                let rows: Vec<_> = rows
                    .iter()
                    .map(|(row, chunks)| (row.id.clone(), &*chunks[0].chunk))
                    .collect();
                assert_eq!(rows, [($first, "first"), ($second, "second")]);
                let hits = embeddings::Entity::search([0.0, 1.0])
                    .filter(sea_orm::ColumnTrait::ne(&Column::Text, "three"))
                    .limit(1)
                    .with_source()
                    .all(&test.db)
                    .await?;
                assert_eq!((&hits[0].source.id, &*hits[0].source.text), (&$second, "two"));
                Ok(())
            })
            .await;
        }
    };
}

test!(an_i32, small, "int", 1 => "1", 2 => "2");
test!(an_i64, large, "bigint", 1 => "1", i64::MAX => "9223372036854775807");
test!(a_string, words, "text", "it's".to_owned() => "'it''s'", "\u{1f600}".to_owned() => "'\u{1f600}'");
test!(a_uuid, uuids, "uuid",
    uuid::Uuid::nil() => "'00000000-0000-0000-0000-000000000000'",
    uuid::Uuid::max() => "'ffffffff-ffff-ffff-ffff-ffffffffffff'");
test!(a_newtype, newtype, "bigint", Id(7) => "7", Id(8) => "8");

mod composite {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "texts")]
    pub(super) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub page: super::Id,
        #[sea_orm(primary_key, auto_increment = false, column_name = "lang")]
        pub language: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub r#ref: Uuid,
        #[vectorizer(dimensions = 2, name = "embeddings")]
        pub text: String,
        #[sea_orm(has_many)]
        pub embeddings: HasMany<embeddings::Entity>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

#[tokio::test]
async fn three_columns() {
    use composite::{Entity, embeddings};

    on_both_catalogs(async |test| {
        let key = "page, lang, ref";
        create(&test, key, "page bigint, lang text, ref uuid").await?;
        let ours = "'00000000-0000-0000-0000-000000000000'";
        // the two keys differ in one column only: a join on less than the whole key would mix them up
        fill(&test, key, &format!("1, 'de', {ours}"), &format!("1, 'en', {ours}")).await?;
        let mut rows = Entity::load().with(embeddings::Entity).all(&test.db).await?;
        rows.sort_by(|a, b| a.language.cmp(&b.language));
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                (
                    &*row.language,
                    row.embeddings.iter().map(|chunk| &*chunk.chunk).collect::<Vec<_>>(),
                )
            })
            .collect();
        assert_eq!(rows, [("de", vec!["first"]), ("en", vec!["second"])]);
        let hits = embeddings::Entity::search([0.0, 1.0])
            .with_source()
            .all(&test.db)
            .await?;
        let hits: Vec<_> = hits
            .iter()
            .map(|hit| (&*hit.embedding.chunk, &*hit.source.language))
            .collect();
        assert_eq!(hits, [("second", "en"), ("first", "de")]);
        Ok(())
    })
    .await;
}

mod quoted {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "Odd \"texts\"")]
    pub(super) struct Model {
        #[sea_orm(primary_key, column_name = "The \"key\"")]
        pub id: i32,
        #[sea_orm(column_name = "It's text")]
        #[vectorizer(dimensions = 2, name = "embeddings")]
        pub text: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(super) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// On our catalog alone: pgai's does not quote key columns.
#[tokio::test]
async fn a_column_that_needs_quotes() {
    use quoted::{Entity, embeddings};

    on_catalog(Catalog::Ours, async |test| {
        test.execute(r#"create table "Odd ""texts""" ("The ""key""" int primary key, "It's text" text)"#)
            .await?;
        SchemaManager::new(&test.db)
            .create_vectorizer(
                CreateVectorizer::new("Odd \"texts\"")
                    .loading(Loading::column("It's text"))
                    .embedding(Embedding::ollama("m", 2)),
            )
            .await?;
        test.execute(
            r#"insert into "Odd ""texts""" values (1, 'one');
               insert into "Odd ""texts""_embedding_store" ("The ""key""", chunk_seq, chunk, embedding)
                   values (1, 0, 'first', '[1,0]')"#,
        )
        .await?;
        let rows = Entity::find()
            .find_with_related(embeddings::Entity)
            .all(&test.db)
            .await?;
        assert_eq!((rows[0].0.id, &*rows[0].1[0].chunk), (1, "first"));
        let hits = embeddings::Entity::search([0.0, 1.0])
            .with_source()
            .all(&test.db)
            .await?;
        assert_eq!(hits[0].source.text, "one");
        Ok(())
    })
    .await;
}
