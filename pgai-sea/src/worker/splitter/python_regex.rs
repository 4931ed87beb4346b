//! Python's `re.search` and `re.split`, on an engine with look-around.

use fancy_regex::Regex;

use super::error::SplitError;
use super::python_syntax::translate;

/// A regular expression in Python's notation.
#[derive(Debug)]
pub(super) struct PythonRegex {
    source: String,
    regex: Regex,
    /// The same, but not for an empty match where the search begins.
    advancing: Regex,
}

impl PythonRegex {
    pub(super) fn new(source: &str) -> Result<Self, SplitError> {
        let refused = |reason: String| SplitError::Regex {
            separator: source.to_owned(),
            reason,
        };
        let pattern = translate(source).map_err(refused)?;
        let compile = |pattern: &str| Regex::new(pattern).map_err(|error| refused(error.to_string()));
        Ok(Self {
            source: source.to_owned(),
            regex: compile(&pattern)?,
            advancing: compile(&format!(r"(?:{pattern})(?!\G)"))?,
        })
    }

    /// `re.search`: whether it matches anywhere.
    pub(super) fn occurs_in(&self, text: &str) -> Result<bool, SplitError> {
        self.regex.is_match(text).map_err(|error| self.gave_up(&error))
    }

    /// `re.split`: the texts between matches, and after each the match's groups.
    ///
    /// Python splits at empty matches too, also right after a match, but never twice at one place.
    pub(super) fn split<'t>(&self, text: &'t str) -> Result<Vec<Option<&'t str>>, SplitError> {
        let mut parts = Vec::new();
        let mut from = 0;
        let mut regex = &self.regex;
        while let Some(found) = regex
            .captures_from_pos(text, from)
            .map_err(|error| self.gave_up(&error))?
        {
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

    fn gave_up(&self, error: &fancy_regex::Error) -> SplitError {
        SplitError::Search {
            separator: self.source.clone(),
            reason: error.to_string(),
        }
    }
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
