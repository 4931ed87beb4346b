//! Identifiers and text literals.

use std::fmt::Write as _;

/// Quotes an identifier, always: `o"clock` becomes `"o""clock"`.
///
/// ```
/// assert_eq!(pgai_sea::sql::quote_identifier("blog_posts"), r#""blog_posts""#);
/// assert_eq!(pgai_sea::sql::quote_identifier(r#"o'clock "x""#), r#""o'clock ""x""""#);
/// ```
#[must_use]
pub fn quote_identifier(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// Quotes `schema.name`.
///
/// ```
/// assert_eq!(pgai_sea::sql::qualified("website", "blog.posts"), r#""website"."blog.posts""#);
/// ```
#[must_use]
pub fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quote_identifier(schema), quote_identifier(name))
}

/// Renders a text literal.
///
/// A text with backslashes or control characters becomes an `E''` string: it then means the same whatever
/// `standard_conforming_strings` says, and a separator of newlines stays on one line.
///
/// ```
/// assert_eq!(pgai_sea::sql::quote_literal("it's"), "'it''s'");
/// assert_eq!(pgai_sea::sql::quote_literal("\n\n"), r"E'\n\n'");
/// assert_eq!(pgai_sea::sql::quote_literal(r"C:\'"), r"E'C:\\'''");
/// ```
#[must_use]
pub fn quote_literal(text: &str) -> String {
    let escapes = text.contains(|c: char| c == '\\' || c.is_ascii_control());
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push_str(if escapes { "E'" } else { "'" });
    for c in text.chars() {
        match c {
            '\'' => literal.push_str("''"),
            '\\' => literal.push_str(r"\\"),
            '\n' => literal.push_str(r"\n"),
            '\r' => literal.push_str(r"\r"),
            '\t' => literal.push_str(r"\t"),
            c if c.is_ascii_control() => {
                let _ = write!(literal, r"\x{:02X}", c as u32); // writing to a String cannot fail
            }
            c => literal.push(c),
        }
    }
    literal.push('\'');
    literal
}

/// A relation's name as text for `regclass`, quoted only where it has to be, since people read it.
pub(crate) fn relation_text(schema: Option<&str>, name: &str) -> String {
    let part = |part: &str| {
        let simple = part.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && part
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if simple {
            part.to_owned()
        } else {
            quote_identifier(part)
        }
    };
    match schema {
        Some(schema) => format!("{}.{}", part(schema), part(name)),
        None => part(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relation_is_quoted_only_where_it_has_to_be() {
        assert_eq!(relation_text(None, "blog_posts"), "blog_posts");
        assert_eq!(relation_text(Some("web"), "Blog"), r#"web."Blog""#);
        assert_eq!(relation_text(None, "a.b"), r#""a.b""#);
        assert_eq!(relation_text(None, "1st"), r#""1st""#);
        assert_eq!(relation_text(None, ""), r#""""#);
    }

    #[test]
    fn control_characters_stay_visible() {
        assert_eq!(quote_literal("\u{1}\u{7f}'"), r"E'\x01\x7F'''");
    }
}
