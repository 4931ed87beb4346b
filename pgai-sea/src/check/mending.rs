//! The statements of a migration that mend a finding.

use super::finding::{Aspect, Finding, Problem};
use crate::config::HALFVEC;
use crate::entity::DeclaredDestination;

impl Aspect {
    /// Whether another one makes other vectors of the same rows.
    fn makes_vectors(self) -> bool {
        matches!(
            self,
            Self::Dimensions | Self::Parsing | Self::Embedding | Self::Chunking | Self::Formatting
        )
    }
}

impl Finding {
    /// The statements of a migration that would mend it.
    #[must_use]
    pub fn mending(&self) -> String {
        let name = self.vectorizer.as_deref().unwrap_or_default();
        let in_column = self
            .declaration
            .is_some_and(|declaration| matches!(declaration.destination, DeclaredDestination::Column { .. }));
        // what is there decides, not what is declared
        let drop_all = if self.writes_column { "" } else { ".drop_all(true)" };
        let drop = format!("manager.drop_vectorizer(DropVectorizer::name({name:?}){drop_all}).await?;");
        match &self.problem {
            Problem::NotInstalled => "manager.install_pgai().await?;".to_owned(),
            Problem::Missing => self.create(),
            Problem::Extra { .. } => drop,
            Problem::Renamed { .. } => format!("manager.refresh_vectorizer({name:?}).await?;"),
            Problem::Differs {
                aspect: Aspect::Dimensions,
                ..
            } if in_column && self.writes_column => {
                format!(
                    "{drop} // and drop the column, which has the other length\n{}",
                    self.create()
                )
            }
            Problem::Differs {
                aspect: Aspect::View,
                declared,
                actual,
            } => self.view(name, declared, actual).unwrap_or_else(|| {
                format!(
                    "{drop}\n{}\n// or let the entity say where the view is, which is {actual}, with `view_schema` and \
                     `view_name`; pgai's own schema has it beside the source",
                    self.create()
                )
            }),
            Problem::Differs {
                aspect: Aspect::Destination,
                actual,
                ..
            } if !in_column && !self.writes_column => format!(
                "{drop}\n{}\n// or let the entity say where the embeddings are, which is {actual}, with \
                 `target_schema` and \
                 `target_table`",
                self.create()
            ),
            Problem::Differs {
                aspect: Aspect::Indexing,
                declared,
                ..
            } if declared == "not declared" => {
                "// none: let the attribute say `indexing = Indexing::hnsw().binary()`, so that searches use the index"
                    .to_owned()
            }
            Problem::Differs {
                aspect: Aspect::Indexing,
                ..
            } if self.is_ours => format!(
                "manager.change_vectorizer({}).await?; // an index that is there already stays: drop it",
                self.entity_change()
            ),
            Problem::Differs {
                aspect: Aspect::VectorType,
                ..
            } if !self.is_ours => {
                "// pgai's own schema stores vectors as vector alone: leave out `halfvec` in the attribute".to_owned()
            }
            Problem::Differs {
                aspect: Aspect::VectorType,
                declared,
                ..
            } => self.vector_type(name, declared),
            Problem::Differs {
                aspect: Aspect::Loading,
                ..
            } => self.change(name, &format!(".loading({})", self.loading)),
            Problem::Differs { aspect, .. } if aspect.makes_vectors() => self.change(name, ""),
            Problem::Differs { .. } => format!("{drop}\n{}", self.create()),
            Problem::Refused(_) => String::new(),
        }
    }

    /// Another name of the view, in the same schema.
    fn view(&self, name: &str, declared: &str, actual: &str) -> Option<String> {
        let (schema, view_name) = declared.split_once('.')?;
        let is_there = actual.split_once('.').is_some_and(|actual| actual.0 == schema);
        (self.is_ours && is_there).then(|| {
            format!("manager.change_vectorizer(ChangeVectorizer::new({name:?}).view_name({view_name:?})).await?;")
        })
    }

    /// A [`ChangeVectorizer`](crate::ChangeVectorizer) with what the entity says.
    fn entity_change(&self) -> String {
        self.declaration.map_or_else(String::new, |declaration| {
            format!("{}::Entity.into()", declaration.module)
        })
    }

    /// The vectors that are there are cast.
    fn vector_type(&self, name: &str, declared: &str) -> String {
        let change = if declared == HALFVEC {
            self.entity_change()
        } else {
            let module = self.declaration.map_or("", |declaration| declaration.module);
            format!("ChangeVectorizer::from({module}::Entity).vector_type(VectorType::Vector)")
        };
        format!(
            "manager.change_vectorizer({change}).await?;\n// a worker casts the vectors beside those in use, and pays \
             for none; when `pgai-sea change status -i {name:?}` says that it is ready:\n// \
             manager.cut_over({name:?}).await?; and, when nobody misses the one before, \
             manager.finish_change({name:?}).await?;"
        )
    }

    /// Searches go on meanwhile. `more` is what the entity's change leaves out.
    fn change(&self, name: &str, more: &str) -> String {
        let Some(declaration) = self.declaration else {
            return String::new();
        };
        // where it is only the text that comes from elsewhere, the model stays
        let embedding = if self.gives_embedding || !more.is_empty() {
            ""
        } else {
            ".embedding(..)"
        };
        let change = if more.is_empty() && embedding.is_empty() {
            self.entity_change()
        } else {
            format!(
                "ChangeVectorizer::from({}::Entity){embedding}{more}",
                declaration.module
            )
        };
        format!(
            "manager.change_vectorizer({change}).await?;\n// a worker embeds all rows beside those in use; when \
             `pgai-sea change status -i {name:?}` says that it is ready:\n// manager.cut_over({name:?}).await?; and, \
             when nobody misses the one before, manager.finish_change({name:?}).await?;"
        )
    }

    fn create(&self) -> String {
        let Some(declaration) = self.declaration else {
            return String::new();
        };
        let embedding = if self.gives_embedding { "" } else { ".embedding(..)" };
        format!(
            "manager.create_vectorizer({}::Entity::vectorizer(){embedding}).await?;",
            declaration.module
        )
    }
}
