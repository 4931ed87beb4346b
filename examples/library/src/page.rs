//! The page to type into. It works without JavaScript.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use pgai_sea::prelude::*;
use pgai_sea::search::ChunkHit as _;
use serde::Deserialize;

use crate::document::{self, address_embeddings};
use crate::failures::{State as LibraryState, name};
use crate::service::Library;

/// Hits on the page.
const HITS: u64 = 8;
/// What is farther away has nothing to do with the question.
const MAX_DISTANCE: f64 = 0.8;
/// The most characters of a question. The model reads about as many.
const QUESTION: usize = 500;

/// What is asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct Params {
    #[serde(default)]
    q: String,
}

/// `page.html`, with what it shows.
#[derive(Template)]
#[template(path = "page.html")]
struct Page {
    query: String,
    /// Where documents are dropped.
    folder: String,
    state: LibraryState,
    hits: Vec<Shown>,
}

/// A passage, and where it is.
#[derive(Debug, PartialEq)]
struct Shown {
    id: i32,
    name: String,
    page: Option<usize>,
    headings: String,
    passage: String,
    distance: f64,
}

impl Shown {
    fn of(hit: HitWithSource<i32, document::Model>, library: &Library) -> Self {
        let place = hit.place();
        Self {
            page: place.and_then(|place| place.page),
            headings: place.map_or_else(String::new, |place| place.headings.join(" › ")),
            id: hit.source.id,
            name: name(&hit.source.address, &library.folder),
            distance: hit.distance,
            passage: hit.embedding.chunk,
        }
    }

    /// The document, at its page.
    fn href(&self) -> String {
        let page = self.page.map_or_else(String::new, |page| format!("#page={page}"));
        format!("/documents/{}{page}", self.id)
    }
}

/// `GET /?q=`
pub(crate) async fn page(State(library): State<Library>, Query(params): Query<Params>) -> Response {
    let query: String = params.q.trim().chars().take(QUESTION).collect();
    match answer(&library, query).await {
        Ok(page) => page,
        Err(error) => {
            tracing::error!(%error, "a question cannot be answered");
            let said = "The library cannot answer now; why is in its log. Try again in a moment.";
            (StatusCode::SERVICE_UNAVAILABLE, said).into_response()
        }
    }
}

async fn answer(library: &Library, query: String) -> Result<Response, Box<dyn std::error::Error + Send + Sync>> {
    // before the search: what is read now is what it finds, or less
    let state = LibraryState::read(&library.db, &library.folder).await?;
    let hits = if query.is_empty() {
        Vec::new()
    } else {
        let found = address_embeddings::Entity::search_text(&library.embedders, &query)
            .max_distance(MAX_DISTANCE)
            .limit(HITS)
            .with_places()
            .with_source()
            .all(&library.db)
            .await?;
        found.into_iter().map(|hit| Shown::of(hit, library)).collect()
    };
    let page = Page {
        query,
        folder: library.folder.display().to_string(),
        state,
        hits,
    };
    Ok(Html(page.render()?).into_response())
}

/// `GET /style.css`
pub(crate) async fn style() -> impl IntoResponse {
    let content_type = [(header::CONTENT_TYPE, "text/css; charset=utf-8")];
    (content_type, include_str!("../assets/style.css"))
}
