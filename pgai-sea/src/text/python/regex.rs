//! Python's `re.search` and `re.split`, on an engine with look-around.

use fancy_regex::Regex;

use super::regex_syntax::translate;

/// What is wrong with a regular expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::text) enum RegexError {
    /// It is no regular expression, or one that this engine does not have.
    Invalid(String),
    /// It takes too many steps on a text.
    Search(String),
}

/// A regular expression in Python's notation.
#[derive(Debug)]
pub(in crate::text) struct PythonRegex {
    regex: Regex,
    /// The same, but not for an empty match where the search begins.
    advancing: Regex,
}

impl PythonRegex {
    pub(in crate::text) fn new(source: &str) -> Result<Self, RegexError> {
        let pattern = translate(source).map_err(RegexError::Invalid)?;
        let compile = |pattern: &str| Regex::new(pattern).map_err(|error| RegexError::Invalid(error.to_string()));
        Ok(Self {
            regex: compile(&pattern)?,
            advancing: compile(&format!(r"(?:{pattern})(?!\G)"))?,
        })
    }

    /// `re.search`: whether it matches anywhere.
    pub(in crate::text) fn occurs_in(&self, text: &str) -> Result<bool, RegexError> {
        self.regex.is_match(text).map_err(|error| gave_up(&error))
    }

    /// `re.split`: the texts between matches, and after each the match's groups.
    ///
    /// Python splits at empty matches too, also right after a match, but never twice at one place.
    pub(in crate::text) fn split<'t>(&self, text: &'t str) -> Result<Vec<Option<&'t str>>, RegexError> {
        let mut parts = Vec::new();
        let mut from = 0;
        let mut regex = &self.regex;
        while let Some(found) = regex.captures_from_pos(text, from).map_err(|error| gave_up(&error))? {
            let Some(whole) = found.get(0) else { break };
            parts.push(Some(&text[from..whole.start()]));
            parts.extend((1..found.len()).map(|group| found.get(group).map(|group| group.as_str())));
            from = whole.end();
            regex = if whole.as_str().is_empty() {
                &self.advancing
            } else {
                &self.regex
            };
        }
        parts.push(Some(&text[from..]));
        Ok(parts)
    }
}

fn gave_up(error: &fancy_regex::Error) -> RegexError {
    RegexError::Search(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split<'t>(pattern: &str, text: &'t str) -> Vec<&'t str> {
        let parts = PythonRegex::new(pattern).unwrap().split(text).unwrap();
        parts.into_iter().map(|part| part.unwrap_or("None")).collect()
    }

    // expected values: `re.split` of Python 3.12
    #[test]
    fn empty_matches_split_as_in_python() {
        assert_eq!(split("x*", "axbc"), ["", "a", "", "b", "c", ""]);
        assert_eq!(split("|x", "axb"), ["", "a", "", "", "b", ""]);
        assert_eq!(split(r"(?=[A-Z])", "aBcD"), ["a", "Bc", "D"]);
        assert_eq!(split(r"\b", "a b"), ["", "a", " ", "b", ""]);
    }

    #[test]
    fn groups_are_part_of_the_result() {
        assert_eq!(split("(-)|(;)", "a-b;c"), ["a", "-", "None", "b", "None", ";", "c"]);
    }
}
