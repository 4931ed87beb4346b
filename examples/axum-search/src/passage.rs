//! Where in an article the matching passage stands.

use std::ops::Range;

use pgai_sea::search::Chunk;
use serde::Serialize;

use crate::article;

/// What of an article's body was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Passage {
    pub(crate) text: String,
    /// Where it begins in the body, in characters (Unicode scalar values).
    pub(crate) start: usize,
    /// Where it ends.
    pub(crate) end: usize,
    /// The same in bytes.
    #[serde(skip)]
    pub(crate) bytes: Range<usize>,
}

impl Passage {
    /// The passage that `chunk` was made of: the vectorizer puts the title above it. None if the body was edited since,
    /// and has no such passage any more.
    pub(crate) fn of(chunk: &Chunk<i32>, article: &article::Model) -> Option<Self> {
        let bytes = chunk.place_in(&article.body)?;
        let characters = |end: usize| article.body[..end].chars().count();
        Some(Self {
            text: article.body[bytes.clone()].to_owned(),
            start: characters(bytes.start),
            end: characters(bytes.end),
            bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn article(title: &str, body: &str) -> article::Model {
        article::Model {
            id: 1,
            title: title.to_owned(),
            body: body.to_owned(),
        }
    }

    fn passage(chunk: &str, article: &article::Model) -> Option<Passage> {
        Passage::of(&Chunk::new(article.id, 0, chunk), article)
    }

    #[test]
    fn it_is_found_in_characters_and_in_bytes() {
        let article = article("Übung", "Größe zählt. Länge auch.");
        let passage = passage("Übung\nLänge auch.", &article).unwrap();
        assert_eq!((passage.start, passage.end), (13, 24));
        assert_eq!(&article.body[passage.bytes], "Länge auch.");
    }

    #[test]
    fn an_edited_article_has_it_no_longer() {
        for article in [
            article("Title", "Another text."),
            article("Another title", "Another text."),
        ] {
            assert_eq!(passage("Title\nThe text before.", &article), None);
        }
    }

    #[test]
    fn under_another_title_it_is_still_there() {
        let passage = passage("Old\nThe text.", &article("New", "Here. The text.")).unwrap();
        assert_eq!((passage.start, passage.end), (6, 15));
    }
}
