//! The page to type into. It works without JavaScript; with it, hits come while one types.

use askama::Template;
use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};

use crate::{
    problem::Problem,
    search::{self, Answer, Hit, PAGE, Params, QUERY},
    service::App,
};

/// Characters that an excerpt shows of the text before the passage, and as many after it.
const AROUND: usize = 140;

/// `page.html`, with what it shows.
#[derive(Template)]
#[template(path = "page.html")]
struct Page {
    query: String,
    outcome: Result<Answer, Problem>,
}

/// The text of an article around its passage.
#[derive(Debug, PartialEq, Eq)]
struct Marked<'a> {
    before: &'a str,
    passage: &'a str,
    after: &'a str,
    /// Whether there is more before and after.
    is_cut: (bool, bool),
}

impl Answer {
    /// The number of the first hit.
    fn first(&self) -> u64 {
        (self.page - 1) * PAGE + 1
    }

    /// The number of the last hit, if there is any.
    fn last(&self) -> u64 {
        self.first() + self.hits.len().saturating_sub(1) as u64
    }
}

impl Hit {
    /// The whole text, with its passage, if it has one.
    fn marked(&self) -> Marked<'_> {
        let body = self.article.body.as_str();
        let passage = self.passage.as_ref().map_or(0..0, |passage| passage.bytes.clone());
        Marked {
            before: &body[..passage.start],
            after: &body[passage.end..],
            passage: &body[passage],
            is_cut: (false, false),
        }
    }
}

impl Marked<'_> {
    /// Only the passage and what is near.
    fn excerpt(self) -> Self {
        let before = last_words(self.before, AROUND);
        let after = first_words(self.after, AROUND);
        Self {
            is_cut: (before.len() < self.before.len(), after.len() < self.after.len()),
            before,
            after,
            ..self
        }
    }
}

/// The words at the end of `text` that fit into `most` characters.
fn last_words(text: &str, most: usize) -> &str {
    let Some((start, _)) = text.char_indices().rev().nth(most) else {
        return text;
    };
    let tail = &text[start..];
    tail.find(char::is_whitespace).map_or("", |space| &tail[space..])
}

/// The words at the beginning of `text` that fit into `most` characters.
fn first_words(text: &str, most: usize) -> &str {
    let Some((end, character)) = text.char_indices().nth(most) else {
        return text;
    };
    let head = &text[..end + character.len_utf8()];
    head.rfind(char::is_whitespace).map_or("", |space| &head[..space])
}

/// `GET /?q=&page=`
pub(crate) async fn page(State(app): State<App>, params: Result<Query<Params>, QueryRejection>) -> Response {
    let (query, outcome) = match params {
        Ok(Query(params)) => (params.q.clone(), search::answer(&app, params).await),
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

/// `GET /style.css`
pub(crate) async fn style() -> impl IntoResponse {
    let content_type = [(header::CONTENT_TYPE, "text/css; charset=utf-8")];
    (content_type, include_str!("../assets/style.css"))
}

/// `GET /search.js`
pub(crate) async fn script() -> impl IntoResponse {
    let content_type = [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")];
    (content_type, include_str!("../assets/search.js"))
}

/// `GET /icon.svg`
pub(crate) async fn icon() -> impl IntoResponse {
    let content_type = [(header::CONTENT_TYPE, "image/svg+xml")];
    (content_type, include_str!("../assets/icon.svg"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_has_whole_words() {
        let whole = Marked {
            before: "one two three ",
            passage: "the passage",
            after: " four five six",
            is_cut: (false, false),
        };
        let before = last_words(whole.before, 8);
        let after = first_words(whole.after, 8);
        assert_eq!((before, after), (" three ", " four"));
        assert_eq!(last_words("short", 8), "short");
        assert_eq!(first_words("short", 8), "short");
        assert_eq!(whole.excerpt().is_cut, (false, false));
    }

    #[test]
    fn a_text_of_one_long_word_or_of_wide_characters_is_cut_too() {
        assert_eq!(last_words("ääääääää", 4), "");
        assert_eq!(first_words("ääää öööö", 5), "ääää");
        assert_eq!(last_words("ääää öööö", 5), " öööö");
    }
}
