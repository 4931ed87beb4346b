//! The page on searching.

use std::sync::Arc;

use pgai_sea::embedder::Embedder;
use pgai_sea::search::SearchError;
use pgai_sea_tests::providers::{Fault, Provider};
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
    assert_eq!(html, "postgres <mark>indexes</mark> - How to <mark>index</mark> a <mark>column</mark>");
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
    use pgai_sea::search::Cursor;

    let search = blog_post::Entity::search(query_vector);

    // by number, as SeaORM's paginator
    let pages = search.clone().paginate(&db, 10);
    let numbers = pages.num_items_and_pages().await?;
    let second = pages.fetch_page(1).await?; // from 0

    // one after the other
    let after: Option<Cursor> = None; // of the page's address: `?after=..`
    let page = search.clone().limit(10).after(after).all(&db).await?;
    let more = page.next_cursor().map(|cursor| format!("?after={cursor}"));

    // facets, under the search's filters
    let by_title: Vec<(String, u64)> = search.max_distance(0.6).count_by(blog_post::Column::Title, &db).await?;

    assert_eq!((numbers.number_of_items, numbers.number_of_pages, second.len()), (3, 1, 0));
    assert_eq!((page.len(), more), (3, None));
    assert!(by_title.iter().any(|(title, count)| title == "postgres indexes" && *count == 1), "{by_title:?}");
    Ok(())
}

#[allow(clippy::print_stderr, reason = "as on the page")]
#[rustfmt::skip] // laid out as on the page
async fn reranked(db: DatabaseConnection, embedder: impl Embedder, url: String) -> Result<bool, SearchError> {
    use blog_post::content_embeddings;
    use pgai_sea::prelude::*;
    use pgai_sea::rerank::RerankServer;

    let reranker = RerankServer::new(url).model("BAAI/bge-reranker-v2-m3"); // of vLLM, llama.cpp, LiteLLM
    let question = "How do I index a column?";
    let hits = content_embeddings::Entity::search_text(&embedder, question)
        .rerank(&reranker, question, |hit| hit.embedding.chunk.clone())
        .or_keep_order() // if the server fails
        .all(&db)
        .await?;
    if let Some(why) = hits.kept_order() {
        eprintln!("in the order of the distances: {why}");
    }

    assert_eq!(hits.len(), 3);
    assert!(hits.is_sorted_by(|a, b| a.rerank_score >= b.rerank_score));
    Ok(hits.kept_order().is_none() && hits[0].embedding.source_key == 1)
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

#[allow(clippy::items_after_statements, clippy::print_stdout, reason = "as on the page")]
#[rustfmt::skip] // laid out as on the page
async fn one_box(db: DatabaseConnection, embedders: pgai_sea::Embedders) -> TestResult {
    use pgai_sea::prelude::*;
    use pgai_sea::search::SearchAll;

    enum Found {
        Post(HitWithSource<i32, blog_post::Model>),
        Product(RowHit<product::Model>),
    }

    // embedders: Embedders::new(), once for the application
    let question = "something for the kitchen";
    let hits = SearchAll::new()
        .add(blog_post::Entity::search_text(&embedders, question).max_distance(0.7), Found::Post)
        .add(product::Entity::search_text(&embedders, question), Found::Product)
        .limit(5)
        .all(&db)
        .await?;
    for hit in &hits {
        match &hit.hit {
            Found::Post(post) => println!("{} {}", hit.rank, post.source.title),
            Found::Product(product) => println!("{} {}", hit.rank, product.source.name),
        }
    }

    let best = hits.iter().find_map(|hit| match &hit.hit {
        Found::Product(product) => Some((hit.rank, product.source.name.as_str())),
        Found::Post(_) => None,
    });
    assert_eq!(best, Some((1, question)));
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
    println!("{}", plan.choice());
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
        let provider = Provider::start();
        let url = provider.openai_url();
        assert!(reranked(db(), model768(), url.clone()).await?);
        provider.always(Fault::ServerError);
        assert!(
            !reranked(db(), model768(), url).await?,
            "the server failed, and the order was kept"
        );
        let embedders = pgai_sea::Embedders::new().embedder(
            "openai",
            "text-embedding-3-small",
            Arc::new(model768()) as Arc<dyn Embedder>,
        );
        one_box(db(), embedders).await?;
        plain(db(), vector.clone()).await?;
        explained(db(), vector).await
    })
    .await;
}

#[test]
fn the_page_is_this_code() {
    PAGE.is_code_of(include_str!("searching.rs"));
}
