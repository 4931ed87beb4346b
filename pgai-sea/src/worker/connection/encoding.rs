//! What texts the database can hold.
//!
//! The worker speaks UTF-8, and the server converts. A database of another encoding has no place for most characters,
//! and refuses a statement that brings one. What a provider says may have any, and saying it must not be what fails.

use sea_orm::sqlx::{Row as _, query};

use super::{Database, On as _};
use crate::worker::database_error::DatabaseError;

/// What a database's encoding means for texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Every text can be written, and is read as it is.
    Utf8,
    /// `SQL_ASCII`: every text can be written, and what is there may be no UTF-8.
    Bytes,
    /// Some characters cannot be written.
    Limited,
}

impl Database {
    /// The database's encoding.
    pub(crate) async fn encoding(&self) -> Result<Encoding, DatabaseError> {
        let ask = async || {
            let row = query("select getdatabaseencoding()::text").one_on(self).await?;
            Ok(match row.try_get::<&str, _>(0)? {
                "UTF8" => Encoding::Utf8,
                "SQL_ASCII" => Encoding::Bytes,
                _ => Encoding::Limited,
            })
        };
        self.encoding.get_or_try_init(ask).await.copied()
    }

    /// The text as the database can hold it. If it has characters that the database cannot hold, all that are not ASCII
    /// are written by their numbers.
    pub(crate) async fn storable(&self, text: &str) -> String {
        let text = text.replace('\0', "");
        if text.is_ascii() || !matches!(self.encoding().await, Ok(Encoding::Limited)) {
            return text;
        }
        match query("select $1::text is null").bind(text.clone()).one_on(self).await {
            Err(error) if error.has_state(&[UNTRANSLATABLE]) => escaped(&text),
            // whatever else went wrong is found where the text is written
            _ => text,
        }
    }
}

/// A character that the database's encoding does not have.
pub(crate) const UNTRANSLATABLE: &str = "22P05";

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() {
            escaped.push(character);
        } else {
            escaped.extend(character.escape_unicode());
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_characters_are_written_by_their_numbers() {
        assert_eq!(escaped("so → \"là\""), r#"so \u{2192} "l\u{e0}""#);
    }
}
