//! The page on searching.

use pgai_sea::embedder::Embedder;
use pgai_sea_tests::{TestResult, on_both_catalogs};
use sea_orm::DatabaseConnection;

use super::blog_post;
use crate::pages::Page;
use crate::readme::model768;

const PAGE: Page = Page(include_str!("../../../../pgai-sea/src/guide/searching.md"));

mod product {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "guide_products")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        #[vectorizer(dimensions = 768, destination = "column")]
        #[sea_orm(column_type = "Vector(Some(768))", nullable)]
        pub embedding: Option<PgVector>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

#[allow(clippy::print_stdout, reason = "as on the page")]
#[rustfmt::skip] // laid out as on the page
async fn shown(db: DatabaseConnection, embedder: impl Embedder) -> TestResult {
    use blog_post::content_embeddings;
    use pgai_sea::prelude::*;
    use pgai_sea::search::{PromptContext, snippet};

    let question = "How do I index a column?";
    let hits = content_embeddings::Entity::search_text(&embedder, question)
        .with_neighbours(1, 1) // the chunk before and the chunk after
        .with_source()
        .all(&db)
        .await?;
    for hit in &hits {
        let snippet = snippet(&hit.embedding.chunk, question, 200); // at most 200 characters
        println!("{}: {}", hit.source.title, snippet.to_html());
        let place = hit.embedding.place_in(&hit.source.content); // bytes, without what the template added
        println!("{place:?}");
    }

    // for a language model: numbered passages, at most 3,000 tokens
    let context = PromptContext::new(3_000).write(&hits, |hit| hit.source.title.clone());
    let prompt = format!("Answer from these passages, and cite their numbers.\n\n{context}\nQuestion: {question}");

    let first = &hits[0];
    assert_eq!(first.embedding.place_in(&first.source.content), Some(0..first.source.content.len()));
    let html = snippet(&first.embedding.chunk, question, 200).to_html();
    assert_eq!(html, "postgres <mark>indexes</mark> - <mark>How</mark> to <mark>index</mark> <mark>a</mark> \
    <mark>column</mark>");
    assert!(prompt.contains("[1] postgres indexes\npostgres indexes - How to index a column\n"), "{prompt}");
    Ok(())
}

#[allow(clippy::print_stdout, reason = "as on the page")]
#[rustfmt::skip] // laid out as on the page
async fn by_text(db: DatabaseConnection, embedder: impl Embedder) -> TestResult {
    use blog_post::content_embeddings;
    use pgai_sea::prelude::*;
    use sea_orm::ColumnTrait;

    // posts, each once, by the best of its chunks
    let posts = blog_post::Entity::search_text(&embedder, "index a column").limit(5).all(&db).await?;

    // chunks, with the posts that they belong to
    let chunks = content_embeddings::Entity::search_text(&embedder, "index a column")
        .filter(blog_post::Column::Title.contains("postgres"))
        .max_distance(0.6)
        .with_source()
        .all(&db)
        .await?;
    for hit in &chunks {
        println!("{:.3} {}: {}", hit.distance, hit.source.title, hit.embedding.chunk);
    }

    // posts like this one
    let related = blog_post::Entity::search_like(1).limit(3).all(&db).await?;

    assert_eq!(posts.len(), 3);
    assert!(chunks.iter().all(|hit| hit.source.title.contains("postgres")));
    let mut others: Vec<_> = related.iter().map(|hit| hit.source.id).collect();
    others.sort_unstable();
    assert_eq!(others, [2, 3]);
    Ok(())
}

#[rustfmt::skip] // laid out as on the page
async fn pages(db: DatabaseConnection, query_vector: Vec<f32>) -> TestResult {
    use pgai_sea::prelude::*;
    use sea_orm::Order;

    let second = blog_post::Entity::search(query_vector.clone())
        .then_order_by(blog_post::Column::Id, Order::Asc) // rows at the same distance
        .page(1, 10) // from 0
        .all(&db)
        .await?;
    let found = blog_post::Entity::search(query_vector).max_distance(0.6).count(&db).await?;

    assert!(second.is_empty());
    assert!((1..=3).contains(&found), "{found}");
    Ok(())
}

#[allow(clippy::print_stdout, reason = "as on the page")]
#[rustfmt::skip] // laid out as on the page
async fn hybrid(db: DatabaseConnection, embedder: impl Embedder) -> TestResult {
    use pgai_sea::prelude::*;

    let question = "How do I index a column?";
    let hits = blog_post::Entity::search_text(&embedder, question)
        .limit(10)
        .hybrid(FullText::any(question))
        .all(&db)
        .await?;
    for hit in &hits {
        println!("{:.4} {:?} {:?} {}", hit.score, hit.vector_rank, hit.text_rank, hit.source.title);
    }

    // the words are in one post, and nobody else's
    let by_words: Vec<_> = hits.iter().filter(|hit| hit.text_rank.is_some()).map(|hit| hit.source.id).collect();
    assert_eq!(by_words, [1]);
    Ok(())
}

#[rustfmt::skip] // laid out as on the page
async fn one_box(db: DatabaseConnection, embedder: impl Embedder) -> TestResult {
    use pgai_sea::prelude::*;

    let vector = embedder.embed_query("something for the kitchen").await?;
    let posts = blog_post::Entity::search(vector.clone()).limit(5).all(&db).await?;
    let products = product::Entity::search(vector).limit(5).all(&db).await?;

    let mut found: Vec<(f64, String)> = posts
        .into_iter()
        .map(|hit| (hit.distance, hit.source.title))
        .chain(products.into_iter().map(|hit| (hit.distance, hit.source.name)))
        .collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.truncate(5);

    assert_eq!(found[0].1, "something for the kitchen");
    assert_eq!(found.len(), 5);
    Ok(())
}

#[rustfmt::skip] // laid out as on the page
async fn plain(db: DatabaseConnection, query_vector: Vec<f32>) -> TestResult {
    use blog_post::content_embeddings;
    use pgai_sea::prelude::*;
    use sea_orm::{EntityTrait, QueryOrder, QuerySelect};

    let similar = content_embeddings::Entity::find()
        .order_by_asc(content_embeddings::Column::Embedding.cosine_distance(query_vector))
        .limit(5)
        .all(&db)
        .await?;
    let posts = blog_post::Entity::load().with(content_embeddings::Entity).all(&db).await?;
    let pairs = blog_post::Entity::find().find_with_related(content_embeddings::Entity).all(&db).await?;

    assert_eq!(similar[0].id, 1);
    assert!(posts.iter().all(|post| post.content_embeddings.len() == 1), "{posts:?}");
    assert!(pairs.iter().all(|(_, chunks)| chunks.len() == 1), "{pairs:?}");
    Ok(())
}

#[allow(clippy::print_stdout, reason = "as on the page")]
async fn explained(db: DatabaseConnection, query_vector: Vec<f32>) -> TestResult {
    use blog_post::content_embeddings;
    use pgai_sea::prelude::*;

    let plan = content_embeddings::Entity::search(query_vector).explain(&db).await?;
    println!("index: {:?}", plan.index());
    let report = content_embeddings::Entity::recall(10, 20).run(&db).await?;
    println!("{report}");

    assert_eq!(plan.index(), None);
    assert!((report.default.recall - 1.0).abs() < f64::EPSILON, "{report}");
    Ok(())
}

#[tokio::test]
async fn the_searches_of_the_page() {
    on_both_catalogs(async |test| {
        super::posts(&test).await?;
        test.execute(
            "create table guide_products (id int primary key, name text not null);
             select ai.create_vectorizer('guide_products', loading => ai.loading_column('name'),
                embedding => ai.embedding_openai('text-embedding-3-small', 768), chunking => ai.chunking_none(),
                destination => ai.destination_column('embedding'));
             insert into guide_products values (1, 'ladder'), (2, 'something for the kitchen')",
        )
        .await?;
        super::embed(&test).await?;
        for sql in PAGE.blocks("sql") {
            test.execute(&sql).await?;
        }

        let db = || test.db.clone();
        let vector = model768()
            .embed_query("postgres indexes - How to index a column")
            .await?;
        by_text(db(), model768()).await?;
        pages(db(), vector.clone()).await?;
        hybrid(db(), model768()).await?;
        shown(db(), model768()).await?;
        one_box(db(), model768()).await?;
        plain(db(), vector.clone()).await?;
        explained(db(), vector).await
    })
    .await;
}

#[test]
fn the_page_is_this_code() {
    PAGE.is_code_of(include_str!("searching.rs"));
}
