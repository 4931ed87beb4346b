//! `GET /search`, and the search itself.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
};
use pgai_sea::prelude::*;
use sea_orm::Order;
use serde::{Deserialize, Serialize};

use crate::{article, indexing::Indexing, passage::Passage, problem::Problem, service::App};

/// Hits on a page.
pub(crate) const PAGE: u64 = 5;
/// The last page that is looked for: an index goes past all hits before it.
const LAST_PAGE: u64 = 100;
/// The most characters of a query. The model reads about as many.
pub(crate) const QUERY: usize = 500;
/// Articles that are shown if nothing is near.
const NEAREST: u64 = 3;
/// What is farther away has nothing to do with the query.
const MAX_DISTANCE: f64 = 0.75;

/// What is asked for, as it came.
#[derive(Debug, Deserialize)]
pub(crate) struct Params {
    #[serde(default)]
    pub(crate) q: String,
    /// From 1.
    #[serde(default = "first")]
    pub(crate) page: u64,
}

fn first() -> u64 {
    1
}

/// A page of hits, the nearest first.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    pub(crate) query: String,
    pub(crate) page: u64,
    /// The number of the next page, if there is one.
    pub(crate) next: Option<u64>,
    pub(crate) hits: Vec<Hit>,
    /// The least far ones, if nothing is near.
    pub(crate) nearest: Vec<Hit>,
    pub(crate) indexing: Indexing,
}

/// An article, and what of it is nearest to the query.
#[derive(Debug, Serialize)]
pub(crate) struct Hit {
    #[serde(flatten)]
    pub(crate) article: article::Model,
    /// The cosine distance, from 0 for the same to 2 for the opposite.
    pub(crate) distance: f64,
    pub(crate) similarity: f64,
    /// None while the article waits to be indexed again.
    pub(crate) passage: Option<Passage>,
}

impl From<HitWithSource<i32, article::Model>> for Hit {
    fn from(found: HitWithSource<i32, article::Model>) -> Self {
        Self {
            distance: found.distance,
            similarity: 1.0 - found.distance,
            passage: Passage::of(&found.embedding, &found.source),
            article: found.source,
        }
    }
}

/// `GET /search?q=&page=`
pub(crate) async fn search(
    State(app): State<App>,
    params: Result<Query<Params>, QueryRejection>,
) -> Result<Json<Answer>, Problem> {
    let params = params?.0;
    if params.q.trim().is_empty() {
        let detail = "there is nothing to search for: say it in your own words, as in /search?q=undo+a+transaction";
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    Ok(Json(answer(&app, params).await?))
}

/// Searches. An empty query finds nothing.
pub(crate) async fn answer(app: &App, params: Params) -> Result<Answer, Problem> {
    let refuse = |detail: String| Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    let query = params.q.trim().to_owned();
    let length = query.chars().count();
    if length > QUERY {
        return refuse(format!("the query has {length} characters, {QUERY} are the most"));
    }
    let page = params.page;
    if !(1..=LAST_PAGE).contains(&page) {
        return refuse(format!("there are pages 1 to {LAST_PAGE}, and no page {page}"));
    }
    // before the search: what is indexed now is what it finds, or less
    let indexing = Indexing::read(&app.db).await?;
    let search = || article::Entity::search_text(&app.embedders, &query);
    let (mut hits, mut nearest) = (Vec::new(), Vec::new());
    if !query.is_empty() {
        let near = search()
            .max_distance(MAX_DISTANCE)
            .then_order_by(article::Column::Id, Order::Asc)
            .offset((page - 1) * PAGE)
            .limit(PAGE + 1); // one more says whether there is a next page
        hits.extend(near.all(&app.db).await?.into_iter().map(Hit::from));
        if hits.is_empty() && page == 1 {
            nearest.extend(search().limit(NEAREST).all(&app.db).await?.into_iter().map(Hit::from));
        }
    }
    let has_next = hits.len() as u64 > PAGE && page < LAST_PAGE;
    hits.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
    Ok(Answer {
        query,
        page,
        next: has_next.then_some(page + 1),
        hits,
        nearest,
        indexing,
    })
}
