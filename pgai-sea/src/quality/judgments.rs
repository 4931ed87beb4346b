//! [`Judgments`]: which rows answer which questions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Questions, and the rows that answer them.
///
/// In a file, a question has a list of `answers`, or a table of `grades` if some answers are better than others:
///
/// ```
/// use pgai_sea::quality::Judgments;
///
/// let judgments = Judgments::from_toml(
///     r#"
///     [[questions]]
///     text = "how do I bake bread?"
///     answers = [7, 12]
///
///     [[questions]]
///     text = "which index is the fastest?"
///     grades = { 3 = 2, 9 = 1 }
///     "#,
/// )?;
/// assert_eq!(judgments.questions[0].grades["12"], 1);
/// assert_eq!(judgments.questions[1].grades["3"], 2);
/// # Ok::<_, pgai_sea::quality::JudgmentsError>(())
/// ```
///
/// A key is what your search returns for the row, as text. For a composite key choose a form of your own, as `7/en`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Judgments {
    /// The questions, in the order of the file.
    #[serde(default)]
    pub questions: Vec<Question>,
}

/// A question, and the rows that answer it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
#[non_exhaustive]
pub struct Question {
    /// The question, as it is searched for.
    pub text: String,
    /// The keys of the rows that answer it, each with a grade: 1 for an answer, more for a better one.
    pub grades: BTreeMap<String, u32>,
}

/// A question as a file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    text: String,
    #[serde(default)]
    answers: Vec<WrittenKey>,
    #[serde(default)]
    grades: BTreeMap<String, u32>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenKey {
    Number(i64),
    Text(String),
}

/// Why judgments could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JudgmentsError {
    /// The file cannot be read.
    #[error("the judgments {} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The text is not TOML of this form. The message has the line.
    #[error("the judgments are not understood: {0}")]
    Toml(#[from] toml::de::Error),
    /// There is no question.
    #[error("there are no questions: begin each with [[questions]]")]
    Empty,
}

impl Judgments {
    /// Judgments made in code: texts of questions, and the keys of the rows that answer them.
    ///
    /// ```
    /// use pgai_sea::quality::Judgments;
    ///
    /// let judgments = Judgments::new([("how do I bake bread?", [7, 12])]);
    /// assert_eq!(judgments.questions[0].grades.len(), 2);
    /// ```
    pub fn new<T, K>(questions: impl IntoIterator<Item = (T, K)>) -> Self
    where
        T: Into<String>,
        K: IntoIterator<Item: ToString>,
    {
        let question = |(text, keys): (T, K)| Question {
            text: text.into(),
            grades: keys.into_iter().map(|key| (key.to_string(), 1)).collect(),
        };
        Self {
            questions: questions.into_iter().map(question).collect(),
        }
    }

    /// Reads judgments from a text in TOML.
    ///
    /// # Errors
    ///
    /// Another form, an unknown name, a question without an answer, or no question.
    pub fn from_toml(text: &str) -> Result<Self, JudgmentsError> {
        let judgments: Self = toml::from_str(text)?;
        if judgments.questions.is_empty() {
            return Err(JudgmentsError::Empty);
        }
        Ok(judgments)
    }

    /// Reads judgments from a file in TOML.
    ///
    /// # Errors
    ///
    /// Those of [`from_toml`](Self::from_toml), and a file that cannot be read.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, JudgmentsError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|source| JudgmentsError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::from_toml(&text)
    }

    /// The judgments in TOML, to be written to a file and edited.
    #[must_use]
    pub fn to_toml(&self) -> String {
        // texts, keys and numbers can always be written
        toml::to_string(self).unwrap_or_default()
    }
}

impl TryFrom<Written> for Question {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written {
            text,
            answers,
            mut grades,
        } = written;
        for key in answers {
            let key = match key {
                WrittenKey::Number(number) => number.to_string(),
                WrittenKey::Text(text) => text,
            };
            grades.entry(key).or_insert(1);
        }
        if grades.values().all(|grade| *grade == 0) {
            return Err(format!(
                "the question `{text}` has no answer: give it `answers` or `grades`"
            ));
        }
        Ok(Self { text, grades })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let mut judgments = Judgments::new([("a \"quoted\"\nquestion", vec!["7/en", "x.y"]), ("b", vec!["1"])]);
        judgments.questions[0].grades.insert("9".to_owned(), 3);
        assert_eq!(Judgments::from_toml(&judgments.to_toml()).unwrap(), judgments);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, words) in [
            ("", "no questions"),
            ("[[questions]]\ntext = \"a\"", "the question `a` has no answer"),
            (
                "[[questions]]\ntext = \"a\"\ngrades = { 7 = 0 }",
                "the question `a` has no answer",
            ),
            ("[[questions]]\ntext = \"a\"\nanswer = [1]", "answer"),
            ("[[question]]\ntext = \"a\"\nanswers = [1]", "question"),
            ("[[questions]]\ntext = \"a\"\nanswers = [1.5]", "line 3"),
        ] {
            let error = Judgments::from_toml(text).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let error = Judgments::from_file("/nowhere/judgments.toml").unwrap_err().to_string();
        assert!(error.contains("/nowhere/judgments.toml"), "{error}");
    }
}
