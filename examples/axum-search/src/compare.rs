//! `GET /compare?q=`: what vectors, words and both together find, side by side.

use askama::Template;
use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use pgai_sea::{prelude::*, search::snippet};

use crate::{
    article,
    problem::Problem,
    search::{Params, QUERY},
    service::App,
};

/// Hits in a column.
const HITS: u64 = 5;
/// Characters of a snippet.
const SNIPPET: usize = 160;

/// `compare.html`, with what it shows.
#[derive(Template)]
#[template(path = "compare.html")]
struct Page {
    query: String,
    outcome: Result<Vec<Column>, Problem>,
}

/// What one kind of search finds.
struct Column {
    title: &'static str,
    hits: Vec<Found>,
}

struct Found {
    title: String,
    /// Why it stands here.
    place: String,
    /// As HTML, with the query's words marked.
    snippet: String,
}

pub(crate) async fn page(State(app): State<App>, params: Result<Query<Params>, QueryRejection>) -> Response {
    let (query, outcome) = match params {
        Ok(Query(params)) => (params.q.clone(), columns(&app, params.q.trim()).await),
        Err(rejection) => (String::new(), Err(rejection.into())),
    };
    let status = outcome
        .as_ref()
        .map_or_else(|problem| problem.status, |_| StatusCode::OK);
    match (Page { query, outcome }).render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => Problem::internal(&error).into_response(),
    }
}

async fn columns(app: &App, query: &str) -> Result<Vec<Column>, Problem> {
    let length = query.chars().count();
    if length > QUERY {
        let detail = format!("the query has {length} characters, {QUERY} are the most");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    if query.is_empty() {
        return Ok(Vec::new());
    }
    let search = || article::Entity::search_text(&app.embedders, query).limit(HITS);
    let words = FullText::any(query).on_text(article::Column::Body);
    let nearest = search().all(&app.db).await?;
    let by_words = search().hybrid(words.clone()).weights(0.0, 1.0).all(&app.db).await?;
    let fused = search().hybrid(words).all(&app.db).await?;
    let found = |article: &article::Model, place: String| Found {
        title: article.title.clone(),
        place,
        snippet: snippet(&article.body, query, SNIPPET).to_html(),
    };
    let rank =
        |name: &str, rank: Option<u64>| rank.map_or_else(|| format!("no {name}"), |rank| format!("{name} {rank}"));
    Ok(vec![
        Column {
            title: "Vectors",
            hits: nearest
                .iter()
                .map(|hit| found(&hit.source, format!("distance {:.3}", hit.distance)))
                .collect(),
        },
        Column {
            title: "Words",
            hits: by_words
                .iter()
                .filter(|hit| hit.text_rank.is_some())
                .map(|hit| found(&hit.source, rank("rank", hit.text_rank)))
                .collect(),
        },
        Column {
            title: "Both",
            hits: fused
                .iter()
                .map(|hit| {
                    let places = [rank("vector rank", hit.vector_rank), rank("word rank", hit.text_rank)];
                    found(&hit.source, places.join(", "))
                })
                .collect(),
        },
    ])
}
