//! Python's `repr()` of strings, bytes and lists.

use std::fmt::Write as _;
use std::sync::LazyLock;

use fancy_regex::Regex;

/// What `str.isprintable` calls printable: no control, format, private or unassigned characters, no space but U+0020.
static NOT_PRINTABLE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^(?! )[\p{C}\p{Z}]$").ok());

/// `repr(str)`.
pub(super) fn string(text: &str) -> String {
    let quote = quote(text.contains('\''), text.contains('"'));
    let mut repr = String::with_capacity(text.len() + 2);
    repr.push(quote);
    let mut buffer = [0; 4];
    for c in text.chars() {
        if c == quote || c == '\\' {
            repr.push('\\');
            repr.push(c);
        } else if let Some(escape) = short_escape(c) {
            repr.push_str(escape);
        } else if is_printable(c.encode_utf8(&mut buffer)) {
            repr.push(c);
        } else {
            let code = u32::from(c);
            let _ = match code {
                0..=0xff => write!(repr, r"\x{code:02x}"),
                0x100..=0xffff => write!(repr, r"\u{code:04x}"),
                _ => write!(repr, r"\U{code:08x}"),
            };
        }
    }
    repr.push(quote);
    repr
}

fn is_printable(c: &str) -> bool {
    if c.len() == 1 {
        return matches!(c.as_bytes()[0], b' '..=b'~');
    }
    !NOT_PRINTABLE
        .as_ref()
        .is_some_and(|regex| regex.is_match(c).unwrap_or(false))
}

/// `repr(bytes)`, from PostgreSQL's `\x00ff`.
pub(super) fn bytes(value: &str) -> String {
    let Some(hex) = value.strip_prefix("\\x") else {
        return value.into();
    };
    let bytes: Option<Vec<u8>> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok())
        .collect();
    let Some(bytes) = bytes else {
        return value.into();
    };
    let quote = quote(bytes.contains(&b'\''), bytes.contains(&b'"'));
    let mut repr = format!("b{quote}");
    for byte in bytes {
        let c = char::from(byte);
        if c == quote || c == '\\' {
            repr.push('\\');
            repr.push(c);
        } else if let Some(escape) = short_escape(c) {
            repr.push_str(escape);
        } else if matches!(byte, b' '..=b'~') {
            repr.push(c);
        } else {
            let _ = write!(repr, r"\x{byte:02x}");
        }
    }
    repr.push(quote);
    repr
}

/// Python prefers single quotes, unless only they would need escaping.
fn quote(has_single: bool, has_double: bool) -> char {
    if has_single && !has_double { '"' } else { '\'' }
}

fn short_escape(c: char) -> Option<&'static str> {
    match c {
        '\t' => Some("\\t"),
        '\n' => Some("\\n"),
        '\r' => Some("\\r"),
        _ => None,
    }
}

/// `str(list)`, from PostgreSQL's `{a,"b c",NULL,{..}}`.
pub(super) fn list(value: &str, element: impl Fn(Option<&str>) -> String) -> String {
    // a lower bound other than 1 is written before the array
    let array = value.find('{').map_or(value, |at| &value[at..]);
    let mut list = String::with_capacity(array.len());
    let mut chars = array.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' => list.push('['),
            '}' => list.push(']'),
            ',' => list.push_str(", "),
            '"' => {
                let mut member = String::new();
                while let Some(c) = chars.next() {
                    match c {
                        '"' => break,
                        '\\' => member.extend(chars.next()),
                        _ => member.push(c),
                    }
                }
                list.push_str(&element(Some(&member)));
            }
            _ => {
                let mut member = String::from(c);
                while let Some(c) = chars.next_if(|c| !matches!(c, ',' | '}')) {
                    member.push(c);
                }
                list.push_str(&element((member != "NULL").then_some(&member)));
            }
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let text = |value: &str| list(value, |member| member.map_or("None".into(), string));
        assert_eq!(text("{}"), "[]");
        assert_eq!(
            text(r#"{a,"b c",NULL,"NULL","\"'"}"#),
            r#"['a', 'b c', None, 'NULL', '"\'']"#
        );
        assert_eq!(
            list("[0:1]={{1,2},{3,4}}", |m| m.unwrap_or("None").into()),
            "[[1, 2], [3, 4]]"
        );
    }
}
