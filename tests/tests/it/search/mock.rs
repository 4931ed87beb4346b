//! Hits that a `MockDatabase` answers with: each search takes one result, and finds what it was given.

use pgai_sea::prelude::*;
use pgai_sea::search::{Chunk, RowHit};
use pgai_sea::testing::{FakeEmbedder, MockRow, mock_count, mock_page};
use sea_orm::{ColumnTrait, DatabaseBackend, DatabaseConnection, MockDatabase};

use super::library::{Key, passage};
use super::notes::note;

mod product {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "products")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: Option<String>,
        #[vectorizer(dimensions = 3, destination = "column")]
        #[sea_orm(column_type = "Vector(Some(3))", nullable)]
        pub embedding: Option<PgVector>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

const QUERY: [f32; 3] = [3.0, 2.0, 1.0];

fn hit(id: i32, distance: f64) -> Hit<i32> {
    Hit::new(Chunk::new(id, 2, format!("chunk of {id}")), distance)
}

fn noted(id: i32, distance: f64) -> HitWithSource<i32, note::Model> {
    let model = note::Model {
        id,
        author: "someone".to_owned(),
        body: "text".to_owned(),
    };
    HitWithSource::new(Chunk::new(id, 0, "text"), model, distance)
}

fn passage_hit(distance: f64) -> Hit<Key> {
    Hit::new(Chunk::new(("a".to_owned(), 3), 1, "text"), distance)
}

fn answering<const N: usize>(pages: [Vec<MockRow>; N]) -> DatabaseConnection {
    MockDatabase::new(DatabaseBackend::Postgres)
        .append_query_results(pages)
        .into_connection()
}

#[tokio::test]
async fn every_search_takes_one_result() {
    type Chunks = note::embeddings::Entity;
    let chunks: Hits<_> = vec![hit(7, 0.1), hit(9, 0.2)].into();
    let none: Hits<Hit<i32>> = Hits::default();
    let db = answering([
        mock_page::<Chunks, _>(&chunks),
        mock_page::<Chunks, _>(&none),
        mock_page::<Chunks, _>(&chunks),
        mock_page::<Chunks, _>(&none),
        mock_page::<Chunks, _>(&chunks),
    ]);
    let search = || Chunks::search(QUERY);
    assert_eq!(search().all(&db).await.unwrap(), chunks);
    assert_eq!(search().all(&db).await.unwrap(), none);
    assert_eq!(
        search()
            .filter(note::Column::Author.contains("a"))
            .best_per_source()
            .all(&db)
            .await
            .unwrap(),
        chunks
    );
    assert!(search().exact().one(&db).await.unwrap().is_none());
    assert_eq!(search().limit(2).ef_search(100).all(&db).await.unwrap(), chunks);
    assert!(search().all(&db).await.is_err(), "all results are used");

    let notes: Hits<_> = vec![noted(1, 0.3)].into();
    let db = answering([mock_page::<note::Entity, _>(&notes), mock_page::<Chunks, _>(&notes)]);
    let embedder = FakeEmbedder::new(3);
    assert_eq!(
        note::Entity::search_text(&embedder, "words").all(&db).await.unwrap(),
        notes
    );
    assert_eq!(search().with_source().all(&db).await.unwrap(), notes);

    let passages: Hits<_> = vec![passage_hit(0.0)].into();
    let db = answering([mock_page::<passage::chunks::Entity, _>(&passages)]);
    assert_eq!(passage::chunks::Entity::search(QUERY).all(&db).await.unwrap(), passages);

    let ladder = product::Model {
        id: 3,
        name: None,
        embedding: None,
    };
    let products: Hits<_> = vec![RowHit::new(ladder, 0.5)].into();
    let db = answering([mock_page::<product::Entity, _>(&products)]);
    assert_eq!(product::Entity::search(QUERY).all(&db).await.unwrap(), products);
}

#[tokio::test]
async fn rankings_have_their_ranks() {
    type Chunks = note::embeddings::Entity;
    let mut first = Ranked::new(hit(7, 0.1), 0.03);
    first.vector_rank = Some(1);
    first.text_rank = Some(2);
    first.text_score = Some(0.5);
    let hits: Hits<_> = vec![first, Ranked::new(hit(9, 0.2), 0.02)].into();
    let none: Hits<Ranked<Hit<i32>>> = Hits::default();
    let db = answering([mock_page::<Chunks, _>(&hits), mock_page::<Chunks, _>(&none)]);
    let search = || Chunks::search(QUERY).hybrid(FullText::any("words"));
    assert_eq!(search().all(&db).await.unwrap(), hits);
    assert_eq!(search().all(&db).await.unwrap(), none);
}

/// What a search asks for beside its page takes no result: freshness, the catalog's model, whether more is there.
#[tokio::test]
async fn an_application_s_searches_need_no_catalog() {
    type Chunks = note::embeddings::Entity;
    let mut waiting = hit(7, 0.1);
    waiting.waiting = Some(true);
    let mut current = hit(9, 0.2);
    current.waiting = Some(false);
    let hits: Hits<_> = vec![waiting, current].into();
    let none: Hits<Hit<i32>> = Hits::default();
    let db = answering([
        mock_page::<Chunks, _>(&hits),
        mock_page::<Chunks, _>(&none),
        mock_count(12),
        mock_count(0),
        mock_count(3),
        mock_page::<Chunks, _>(&hits),
    ]);
    let embedder = FakeEmbedder::new(3);
    let embedders = embedder.embedders();
    let search = || Chunks::search_text(&embedders, "words").with_freshness();
    assert_eq!(search().all(&db).await.unwrap(), hits);
    assert_eq!(search().all(&db).await.unwrap(), none);
    assert_eq!(search().count(&db).await.unwrap(), 12);
    assert_eq!(search().count(&db).await.unwrap(), 0);
    assert_eq!(search().hybrid(FullText::any("words")).count(&db).await.unwrap(), 3);
    assert_eq!(search().paginate(&db, 2).fetch_page(0).await.unwrap(), hits);
    // remembered, as an application's are
    assert_eq!(embedder.requests().len(), 1);
}

/// A text that the catalog would embed is not asked for twice, nor inside of a transaction.
#[tokio::test]
async fn a_text_may_be_embedded_beforehand() {
    type Chunks = note::embeddings::Entity;
    let embedder = FakeEmbedder::new(3);
    let hits: Hits<_> = vec![hit(7, 0.1)].into();
    let db = answering([mock_page::<Chunks, _>(&hits)]);
    let search = Chunks::search_text(&embedder, "words");
    search.embed(&db).await.unwrap();
    assert_eq!(embedder.requests().len(), 1);
    embedder.fail_next(pgai_sea::testing::Failure::Down);
    assert_eq!(search.all(&db).await.unwrap(), hits);
    assert_eq!(embedder.requests().len(), 1);
    Chunks::search(QUERY).embed(&db).await.unwrap();
}
