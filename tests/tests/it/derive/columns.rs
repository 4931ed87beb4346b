//! Several vectorizers on one table, with names and schemas of their own, against what the catalog made of them.

use pgai_sea::entity::DeclaredDestination;
use pgai_sea::migration::prelude::*;
use pgai_sea::prelude::*;
use pgai_sea_tests::{TestDatabase, TestResult, on_both_catalogs};
use sea_orm::{ColumnTrait, EntityTrait, IdenStatic, QueryFilter};

mod article {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(schema_name = "app", table_name = "articles", rename_all = "camelCase")]
    pub struct Model {
        #[sea_orm(primary_key, column_name = "no")]
        pub article_id: i32,
        #[vectorizer(dimensions = 2)]
        pub body_text: String,
        #[vectorizer(
            dimensions = 3,
            name = "titles",
            target_schema = "vectors",
            target_table = "titles",
            view_name = "articles_with_titles"
        )]
        pub r#abstract: Option<String>,
        pub body_text_embeddings: HasMany<body_text_embeddings::Entity>,
        pub titles: HasMany<titles::Entity>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

use article::{body_text_embeddings, titles};

/// Schema and name of a declared view.
fn view(destination: DeclaredDestination) -> (Option<&'static str>, &'static str) {
    match destination {
        DeclaredDestination::Table {
            view_schema, view_name, ..
        } => (view_schema, view_name),
        DeclaredDestination::Column { .. } => unreachable!("a column has no view"),
    }
}

/// The vectorizer that a companion declares, with nothing but what it says of itself.
fn declared<E: EmbeddingTrait>(entity: E) -> CreateVectorizer {
    let mut destination = Destination::table()
        .target_table(entity.table_name())
        .view_name(view(E::DECLARATION.destination).1);
    if let Some(schema) = entity.schema_name() {
        destination = destination.target_schema(schema);
    }
    CreateVectorizer::new(("app", "articles"))
        .destination(destination)
        .loading(Loading::column(E::source_column().as_str()))
        .embedding(Embedding::ollama(
            "m",
            <i32 as TryFrom<_>>::try_from(E::DIMENSIONS).unwrap(),
        ))
}

async fn create(test: &TestDatabase) -> TestResult {
    test.execute(
        r#"create schema app;
           create schema vectors;
           create table app.articles (no int primary key, "bodyText" text not null, abstract text)"#,
    )
    .await?;
    let manager = SchemaManager::new(&test.db);
    manager
        .create_vectorizer(declared(body_text_embeddings::Entity))
        .await?;
    manager.create_vectorizer(declared(titles::Entity)).await?;
    test.execute(
        r#"insert into app.articles values (1, 'b', 'a'), (2, 'b', null);
           insert into app.articles_embedding_store (no, chunk_seq, chunk, embedding)
               values (1, 0, 'body 1', '[1,0]'), (2, 0, 'body 2', '[0,1]');
           insert into vectors.titles (no, chunk_seq, chunk, embedding)
               values (1, 0, 'title 1', '[1,0,0]'), (1, 1, 'title 1+', '[0,1,0]')"#,
    )
    .await?;
    Ok(())
}

#[tokio::test]
async fn each_has_its_table_and_its_dimensions() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        let views =
            "select view_schema || '.' || view_name from (select config->'destination'->>'view_schema' view_schema,
            config->'destination'->>'view_name' view_name from ai.vectorizer order by id) v";
        let declared = [body_text_embeddings::Entity::DECLARATION, titles::Entity::DECLARATION];
        let declared: Vec<_> = declared
            .iter()
            .map(|declaration| view(declaration.destination))
            .map(|(schema, name)| format!("{}.{name}", schema.unwrap()))
            .collect();
        assert_eq!(test.values::<String>(views).await?, declared);

        let articles = article::Entity::load()
            .with(body_text_embeddings::Entity)
            .with(titles::Entity)
            .filter(article::Column::ArticleId.eq(1))
            .one(&test.db)
            .await?
            .unwrap();
        assert_eq!((articles.body_text_embeddings.len(), articles.titles.len()), (1, 2));

        let hits = titles::Entity::search([0.0, 1.0, 0.0])
            .limit(1)
            .with_source()
            .all(&test.db)
            .await?;
        assert_eq!((&*hits[0].embedding.chunk, hits[0].source.article_id), ("title 1+", 1));
        let bodies = body_text_embeddings::Entity::find()
            .find_also_related(article::Entity)
            .all(&test.db)
            .await?;
        assert!(
            bodies
                .iter()
                .all(|(chunk, row)| row.as_ref().is_some_and(|row| row.article_id == chunk.article_id))
        );
        Ok(())
    })
    .await;
}
