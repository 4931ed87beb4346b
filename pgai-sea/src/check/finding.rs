//! What a check finds.

use std::fmt;

use super::compare::Declared;
use crate::catalog::Vectorizer;
use crate::config::{ConfigError, Destination};
use crate::entity::Declaration;

/// The differences that a check found. Printed, they say what to write in a migration.
#[derive(Clone, Debug, Default)]
pub struct Findings(pub(super) Vec<Finding>);

impl Findings {
    /// Whether declarations and database agree.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many differences there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The differences, in the order of the declarations.
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.0.iter()
    }
}

impl IntoIterator for Findings {
    type Item = Finding;
    type IntoIter = std::vec::IntoIter<Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Findings {
    type Item = &'a Finding;
    type IntoIter = std::slice::Iter<'a, Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("entities and database agree");
        }
        let findings: Vec<_> = self.iter().map(ToString::to_string).collect();
        f.write_str(&findings.join("\n"))
    }
}

/// One difference.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Finding {
    /// The declaration, where there is one.
    pub declaration: Option<&'static Declaration>,
    /// The vectorizer's name, where there is one.
    pub vectorizer: Option<String>,
    /// What is wrong.
    pub problem: Problem,
    /// Whether the vectorizer that is there writes into a column of its source. Only the application drops that.
    pub(super) writes_column: bool,
    /// Whether the declaration names provider and model.
    pub(super) gives_embedding: bool,
    /// What is declared of the loading, as it is written in a migration.
    pub(super) loading: String,
    /// Whether the catalog is pgai-sea's, which changes a view and an index in place.
    pub(super) is_ours: bool,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The database has no `ai` schema.
    NotInstalled,
    /// No vectorizer does what is declared.
    Missing,
    /// No entity declares the vectorizer of this table, `public.posts`.
    Extra {
        /// The table that is embedded, with its schema.
        source: String,
    },
    /// There is a vectorizer, and it does something else.
    Differs {
        /// In what.
        aspect: Aspect,
        /// What the entity says.
        declared: String,
        /// What the database has.
        actual: String,
    },
    /// There is a vectorizer that does what is declared, but has its source's names from before a rename.
    Renamed {
        /// What was renamed.
        aspect: Aspect,
        /// What the entity says, and the source is called.
        declared: String,
        /// What the vectorizer has.
        actual: String,
    },
    /// The declaration contradicts itself.
    Refused(ConfigError),
}

/// What of a vectorizer is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Aspect {
    /// The table that is embedded.
    Source,
    /// The column that is embedded, or whose addresses lead to what is.
    Loading,
    /// How documents become text.
    Parsing,
    /// The table or column of the embeddings.
    Destination,
    /// The view that joins the embeddings to their rows.
    View,
    /// The length of the vectors.
    Dimensions,
    /// The type that the vectors are stored as.
    VectorType,
    /// Provider, model and their options.
    Embedding,
    /// How text is cut.
    Chunking,
    /// The template.
    Formatting,
    /// The index over the embeddings.
    Indexing,
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "the source",
            Self::Loading => "the column that is embedded",
            Self::Parsing => "the parsing",
            Self::Destination => "the destination",
            Self::Dimensions => "the number of dimensions",
            Self::VectorType => "the type of the vectors",
            Self::View => "the view",
            Self::Embedding => "the model",
            Self::Chunking => "the chunking",
            Self::Formatting => "the template",
            Self::Indexing => "the index",
        })
    }
}

impl Finding {
    pub(super) fn not_installed() -> Self {
        Self {
            declaration: None,
            gives_embedding: false,
            loading: String::new(),
            vectorizer: None,
            problem: Problem::NotInstalled,
            writes_column: false,
            is_ours: false,
        }
    }

    pub(super) fn about(declared: &Declared, vectorizer: Option<&Vectorizer>, problem: Problem) -> Self {
        Self {
            declaration: Some(declared.declaration),
            gives_embedding: declared.gives_embedding,
            loading: declared.loading.clone(),
            vectorizer: vectorizer.map(|vectorizer| vectorizer.name.clone()),
            problem,
            writes_column: vectorizer.is_some_and(writes_column),
            is_ours: false,
        }
    }

    pub(super) fn extra(vectorizer: &Vectorizer, source: String) -> Self {
        Self {
            declaration: None,
            gives_embedding: false,
            loading: String::new(),
            vectorizer: Some(vectorizer.name.clone()),
            problem: Problem::Extra { source },
            writes_column: writes_column(vectorizer),
            is_ours: false,
        }
    }
}

fn writes_column(vectorizer: &Vectorizer) -> bool {
    matches!(vectorizer.config.destination, Destination::Column(_))
}

/// The difference on one line, and under it what mends it.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.vectorizer.as_deref().unwrap_or_default();
        if let Some(declaration) = self.declaration {
            write!(f, "{declaration} ({}): ", declaration.module)?;
        }
        match &self.problem {
            Problem::NotInstalled => f.write_str("the database has no `ai` schema")?,
            Problem::Missing => f.write_str("there is no vectorizer for it")?,
            Problem::Extra { source } => {
                write!(
                    f,
                    "vectorizer {name} of {source} is declared by no entity: declare it, or drop it"
                )?;
            }
            Problem::Differs {
                aspect,
                declared,
                actual,
            } => {
                write!(f, "{aspect} is {declared:?} here and {actual:?} in vectorizer {name}")?;
            }
            Problem::Renamed {
                aspect,
                declared,
                actual,
            } => write!(
                f,
                "{aspect} is {declared:?} now, and vectorizer {name} still has {actual:?}"
            )?,
            Problem::Refused(error) => write!(f, "{error}")?,
        }
        let mending = self.mending();
        for (index, line) in mending.lines().enumerate() {
            write!(
                f,
                "\n  {} {line}",
                if index == 0 {
                    "in a migration:"
                } else {
                    "               "
                }
            )?;
        }
        Ok(())
    }
}
