//! The notation of Python's `string.Template`, as far as it can be judged without a row.

/// A name in a template, or what no worker could fill in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Placeholder {
    /// `$name`
    Named(String),
    /// `${name}`
    Braced(String),
    /// A `$` that starts neither, with what follows it.
    Invalid(String),
}

/// The placeholders of `template`, in order. `$$` is a dollar and no placeholder.
pub(crate) fn placeholders(template: &str) -> Vec<Placeholder> {
    let mut found = Vec::new();
    let mut rest = template;
    while let Some((_, after)) = rest.split_once('$') {
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'))
            && identifier(name) == name
            && !name.is_empty()
        {
            found.push(Placeholder::Braced(name.to_owned()));
            rest = after;
        } else {
            let name = identifier(rest);
            found.push(if name.is_empty() {
                Placeholder::Invalid(rest.chars().take(12).collect())
            } else {
                Placeholder::Named(name.to_owned())
            });
            rest = &rest[name.len()..];
        }
    }
    found
}

/// The ASCII identifier that `text` starts with, or nothing.
fn identifier(text: &str) -> &str {
    let is_part = |c: char| c == '_' || c.is_ascii_alphanumeric();
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return "";
    }
    &text[..text.find(|c| !is_part(c)).unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_pythons() {
        use Placeholder::{Braced, Invalid, Named};
        let named = |name: &str| Named(name.to_owned());
        assert_eq!(placeholders("$title - $chunk."), [named("title"), named("chunk")]);
        assert_eq!(placeholders("${a}b $_c1é"), [Braced("a".to_owned()), named("_c1")]);
        assert_eq!(placeholders("$$5 and $$chunk"), []);
        assert_eq!(placeholders("$$$chunk"), [named("chunk")]);
        assert_eq!(
            placeholders("$5 ${a-b} $é $"),
            ["5 ${a-b} $é ", "{a-b} $é $", "é $", ""].map(|rest| Invalid(rest.to_owned()))
        );
    }
}
