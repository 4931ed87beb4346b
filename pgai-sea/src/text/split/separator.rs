//! Where a text is cut: between characters, at a literal, or at a regular expression.

use super::error::SplitError;
use super::piece::Piece;
use crate::text::python::{PythonRegex, RegexError};

/// One separator, ready to be looked for.
#[derive(Debug)]
pub(super) enum Separator {
    /// The empty separator: between any two characters.
    Characters,
    Literal(String),
    Regex {
        pattern: Box<PythonRegex>,
        /// The same in parentheses, for the split that keeps what was matched. They renumber groups, so this one may be
        /// refused where the other works.
        kept: Result<Box<PythonRegex>, RegexError>,
        source: String,
    },
}

impl Separator {
    pub(super) fn new(separator: &str, is_regex: bool) -> Result<Self, SplitError> {
        Ok(match separator {
            "" => Self::Characters,
            literal if !is_regex => Self::Literal(literal.to_owned()),
            source => Self::Regex {
                pattern: Box::new(PythonRegex::new(source).map_err(|error| refused(source, error))?),
                kept: PythonRegex::new(&format!("({source})")).map(Box::new),
                source: source.to_owned(),
            },
        })
    }

    /// Whether the separator occurs in `text`. The empty one always does.
    pub(super) fn occurs_in(&self, text: &str) -> Result<bool, SplitError> {
        match self {
            Self::Characters => Ok(true),
            Self::Literal(literal) => Ok(text.contains(literal.as_str())),
            Self::Regex { pattern, source, .. } => pattern.occurs_in(text).map_err(|error| refused(source, error)),
        }
    }

    /// The parts between separators, without empty ones.
    pub(super) fn split<'t>(&'t self, text: &'t str) -> Result<Pieces<'t>, SplitError> {
        Ok(match self {
            Self::Characters => characters(text),
            Self::Literal(literal) => non_empty(text.split(literal.as_str()).map(move |part| Piece::of(text, part))),
            Self::Regex { pattern, source, .. } => {
                let parts = pattern.split(text).map_err(|error| refused(source, error))?;
                // a group that took no part in a match gives no piece
                non_empty(parts.into_iter().flatten().map(move |part| Piece::of(text, part)))
            }
        })
    }

    /// The parts, each with the separator before it, without empty ones.
    pub(super) fn split_keeping<'t>(&'t self, text: &'t str) -> Result<Pieces<'t>, SplitError> {
        match self {
            Self::Characters => Ok(characters(text)),
            Self::Literal(literal) => {
                let mut ends = text.match_indices(literal.as_str()).map(|found| found.0);
                let mut start = Some(0);
                Ok(non_empty(std::iter::from_fn(move || {
                    let from = start?;
                    start = ends.next();
                    Some(Piece::of(text, &text[from..start.unwrap_or(text.len())]))
                })))
            }
            Self::Regex { kept, source, .. } => {
                let parts = match kept {
                    Ok(kept) => kept.split(text),
                    Err(error) => Err(error.clone()),
                };
                let parts = parts.map_err(|error| refused(source, error))?;
                pairs(text, &parts).map(non_empty).ok_or_else(|| SplitError::Groups {
                    separator: source.clone(),
                })
            }
        }
    }
}

fn refused(separator: &str, error: RegexError) -> SplitError {
    let separator = separator.to_owned();
    match error {
        RegexError::Invalid(reason) => SplitError::Regex { separator, reason },
        RegexError::Search(reason) => SplitError::Search { separator, reason },
    }
}

/// The pieces of a text, made as they are wanted: there may be as many as characters.
pub(super) type Pieces<'t> = Box<dyn Iterator<Item = Piece<'t>> + 't>;

fn characters(text: &str) -> Pieces<'_> {
    let mut rest = text;
    let mut from = 0;
    Box::new(std::iter::from_fn(move || {
        let (one, others) = rest.split_at(rest.chars().next()?.len_utf8());
        rest = others;
        let bytes = from..from + one.len();
        from = bytes.end;
        Some(Piece {
            text: one.into(),
            length: 1,
            bytes,
        })
    }))
}

fn non_empty<'t>(pieces: impl IntoIterator<Item = Piece<'t>, IntoIter: 't>) -> Pieces<'t> {
    Box::new(pieces.into_iter().filter(|piece| !piece.text.is_empty()))
}

/// The first part, then the others two by two: separator and text. `LangChain` pairs blindly, so a group inside
/// the separator shifts the pairs; where Python would fail, this is `None`.
fn pairs<'t>(whole: &'t str, parts: &[Option<&'t str>]) -> Option<Vec<Piece<'t>>> {
    let (first, rest) = parts.split_first()?;
    let mut pairs = vec![Piece::of(whole, (*first)?)];
    for pair in rest.chunks(2) {
        let [separator, text] = pair else {
            return None;
        };
        pairs.push(Piece::joined(whole, (*separator)?, (*text)?));
    }
    Some(pairs)
}
