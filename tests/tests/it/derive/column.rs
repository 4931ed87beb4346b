//! A column destination: the vector is in the row, and the entity is searched itself.

use std::sync::Arc;

use pgai_sea::embedder::{EmbedError, Embeddings, InputType};
use pgai_sea::migration::prelude::*;
use pgai_sea::prelude::*;
use pgai_sea::worker::Worker;
use pgai_sea_tests::providers::embedding_of;
use pgai_sea_tests::{Catalog, Snapshot, TestDatabase, TestResult, on_both_catalogs, on_catalog};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, Schema};

mod product {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "products")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        pub shelf: String,
        #[vectorizer(
            dimensions = 8,
            destination = "column",
            loading = "name",
            embedding = Embedding::ollama("m", 8),
            formatting = "$chunk on $shelf"
        )]
        #[sea_orm(column_type = "Vector(Some(8))", nullable)]
        pub embedding: Option<PgVector>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// The vectors are made from the text: a text is nearest to itself.
#[derive(Clone, Debug)]
pub(super) struct Model;

#[async_trait::async_trait]
impl Embedder for Model {
    async fn embed(&self, texts: &[&str], _: InputType) -> Result<Embeddings, EmbedError> {
        Ok(Embeddings::new(
            texts.iter().map(|text| embedding_of("m", text, 8)).collect(),
        ))
    }
}

async fn work(test: &TestDatabase) -> TestResult {
    Worker::new(test.db.clone())
        .embedder("ollama", "m", Arc::new(Model))
        .run_once()
        .await?;
    Ok(())
}

async fn create(test: &TestDatabase) -> TestResult {
    test.execute("create table products (id serial primary key, name text not null, shelf text not null)")
        .await?;
    SchemaManager::new(&test.db)
        .create_vectorizer(product::Entity::vectorizer())
        .await?;
    let products = ["lamp", "chair", "table", "desk"]
        .into_iter()
        .map(|name| product::ActiveModel {
            id: NotSet,
            name: Set(name.to_owned()),
            shelf: Set(if name == "lamp" { "top" } else { "bottom" }.to_owned()),
            embedding: NotSet,
        });
    product::Entity::insert_many(products).exec(&test.db).await?;
    Ok(())
}

#[tokio::test]
async fn the_entity_is_searched_itself() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        let query = || embedding_of("m", "desk on bottom", 8);
        // rows that wait for their vector are no hits
        assert!(product::Entity::search(query()).all(&test.db).await?.is_empty());
        work(&test).await?;

        let hits = product::Entity::search(query()).all(&test.db).await?;
        let found: Vec<_> = hits.iter().map(|hit| (&*hit.source.name, hit.distance)).collect();
        assert_eq!(found.len(), 4);
        assert!(found[0].0 == "desk" && found[0].1.abs() < 1e-6, "{found:?}");
        assert!(found.is_sorted_by(|a, b| a.1 <= b.1), "{found:?}");
        let order: Vec<String> = test
            .values(&format!(
                "select name from products order by embedding <=> '{:?}'",
                query()
            ))
            .await?;
        assert_eq!(found.iter().map(|(name, _)| *name).collect::<Vec<_>>(), order);
        assert!(
            hits.iter().all(|hit| hit.source.embedding.is_none()),
            "vectors nobody asked for"
        );

        let hit = product::Entity::search(query())
            .with_vectors()
            .one(&test.db)
            .await?
            .ok_or("no hit")?;
        assert_eq!(hit.source.embedding.ok_or("no vector")?.to_vec(), query());
        let lamps = product::Entity::search(query())
            .filter(product::Column::Shelf.eq("top"))
            .metric(Metric::L2)
            .all(&test.db)
            .await?;
        assert_eq!(lamps.iter().map(|hit| &*hit.source.name).collect::<Vec<_>>(), ["lamp"]);
        let near = product::Entity::search(query())
            .max_distance(1e-6)
            .all(&test.db)
            .await?;
        assert_eq!(near.len(), 1);
        let by_text = product::Entity::search_text(&Model, "chair on bottom")
            .limit(1)
            .all(&test.db)
            .await?;
        assert_eq!(by_text[0].source.name, "chair");
        let refused = product::Entity::search([1.0, 2.0]).all(&test.db).await.unwrap_err();
        assert!(
            matches!(
                refused,
                SearchError::Dimensions {
                    expected: 8,
                    actual: 2,
                    ..
                }
            ),
            "{refused}"
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_edit_through_the_entity_is_embedded() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        work(&test).await?;
        let lamp = product::Entity::find_by_id(1).one(&test.db).await?.ok_or("no lamp")?;
        assert_eq!(
            lamp.embedding.as_ref().map(sea_orm::prelude::PgVector::to_vec),
            Some(embedding_of("m", "lamp on top", 8))
        );
        let mut lamp = lamp.into_active_model();
        lamp.name = Set("lantern".to_owned());
        lamp.update(&test.db).await?;
        work(&test).await?;
        let hit = product::Entity::search_text(&Model, "lantern on top")
            .one(&test.db)
            .await?
            .ok_or("no hit")?;
        assert_eq!((&*hit.source.name, hit.distance.abs() < 1e-6), ("lantern", true));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn schema_sync_and_check_know_the_column() {
    on_both_catalogs(async |test| {
        let module = concat!(module_path!(), "::product");
        let sync = async || test.db.get_schema_registry(module).sync(&test.db).await;
        // entity first: the table comes from the entity, with its column
        sync().await?;
        SchemaManager::new(&test.db)
            .create_vectorizer(product::Entity::vectorizer())
            .await?;
        let findings = pgai_sea::check::check_module(&test.db, module).await?;
        assert!(findings.is_empty(), "{findings}");
        let before = Snapshot::of(&test.db).await?;
        sync().await?;
        assert_eq!(Snapshot::of(&test.db).await?, before);
        let sql = "select format_type(atttypid, atttypmod) from pg_attribute where attname = 'embedding'
                   and attrelid = 'products'::regclass";
        assert_eq!(test.value::<String>(sql).await?, "vector(8)");

        test.execute("alter table products rename column embedding to other")
            .await?;
        let wrong = CreateVectorizer::new("products")
            .name("wrong")
            .destination(Destination::column("embedding"))
            .loading(Loading::column("name"))
            .chunking(Chunking::none())
            .embedding(Embedding::ollama("m", 4));
        let manager = SchemaManager::new(&test.db);
        manager
            .drop_vectorizer(DropVectorizer::name("public_products_embedding"))
            .await?;
        manager.create_vectorizer(wrong).await?;
        let findings = pgai_sea::check::check_module(&test.db, module).await?.to_string();
        assert!(
            findings.contains(
                "the number of dimensions is \"8\" here and \"4\" in vectorizer wrong\n  in a migration: \
                manager.drop_vectorizer(DropVectorizer::name(\"wrong\")).await?; // and drop the column"
            ),
            "{findings}"
        );
        Ok(())
    })
    .await;
}

mod halved {
    use pgai_sea::Vectorizer;
    use pgai_sea::pgvector::HalfVec;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "halved_products")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        #[vectorizer(dimensions = 8, destination = "column", loading = "name", embedding = Embedding::ollama("m", 8))]
        #[sea_orm(column_type = r#"custom("halfvec(8)")"#, nullable)]
        pub embedding: Option<HalfVec>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

#[tokio::test]
async fn the_column_may_be_a_halfvec_that_is_there_already() {
    on_both_catalogs(async |test| {
        let table = Schema::new(test.db.get_database_backend()).create_table_from_entity(halved::Entity);
        test.db.execute(&table).await?;
        SchemaManager::new(&test.db)
            .create_vectorizer(halved::Entity::vectorizer())
            .await?;
        for name in ["lamp", "chair", "desk"] {
            let product = halved::ActiveModel {
                name: Set(name.to_owned()),
                ..Default::default()
            };
            assert_eq!(product.insert(&test.db).await?.embedding, None);
        }
        work(&test).await?;

        let of = |name| embedding_of("m", name, 8);
        let lamp = halved::Entity::find_by_id(1).one(&test.db).await?.ok_or("no lamp")?;
        assert_eq!(lamp.embedding, Some(HalfVec::from(of("lamp"))));
        let hit = halved::Entity::search(of("desk"))
            .with_vectors()
            .one(&test.db)
            .await?
            .ok_or("no hit")?;
        assert_eq!((&*hit.source.name, hit.distance.abs() < 1e-3), ("desk", true));
        assert_eq!(hit.source.embedding, Some(HalfVec::from(of("desk"))));
        Ok(())
    })
    .await;
}

/// Longer than an index over `vector` takes.
mod long {
    use pgai_sea::Vectorizer;
    use pgai_sea::pgvector::HalfVec;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "long_products")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: Option<String>,
        #[vectorizer(
            dimensions = 3072,
            destination = "column",
            embedding = Embedding::ollama("long", 3072),
            indexing = Indexing::hnsw().min_rows(2)
        )]
        #[sea_orm(column_type = r#"custom("halfvec(3072)")"#, nullable)]
        pub embedding: Option<HalfVec>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

#[derive(Debug)]
struct Long;

#[async_trait::async_trait]
impl Embedder for Long {
    async fn embed(&self, texts: &[&str], _: InputType) -> Result<Embeddings, EmbedError> {
        Ok(Embeddings::new(
            texts.iter().map(|text| embedding_of("long", text, 3072)).collect(),
        ))
    }
}

/// pgai's own schema takes no index without a schedule, and its worker builds none.
#[tokio::test]
async fn a_long_halfvec_has_its_index() {
    on_catalog(Catalog::Ours, async |test| {
        let table = Schema::new(test.db.get_database_backend()).create_table_from_entity(long::Entity);
        test.db.execute(&table).await?;
        SchemaManager::new(&test.db)
            .create_vectorizer(long::Entity::vectorizer())
            .await?;
        test.execute("insert into long_products (name) values ('lamp'), ('chair'), (null)")
            .await?;
        Worker::new(test.db.clone())
            .embedder("ollama", "long", Arc::new(Long))
            .run_once()
            .await?;
        let indexes: Vec<String> = test
            .values(
                "select indexdef from pg_indexes where tablename = 'long_products' and indexdef like '%USING hnsw%'",
            )
            .await?;
        assert!(
            indexes.len() == 1 && indexes[0].contains("halfvec_cosine_ops"),
            "{indexes:?}"
        );
        let hit = long::Entity::search(embedding_of("long", "chair", 3072))
            .one(&test.db)
            .await?
            .ok_or("no hit")?;
        assert_eq!(hit.source.name.as_deref(), Some("chair"));
        let findings = pgai_sea::check::check_module(&test.db, concat!(module_path!(), "::long")).await?;
        assert!(findings.is_empty(), "{findings}");
        Ok(())
    })
    .await;
}
