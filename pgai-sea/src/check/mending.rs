//! The statements of a migration that mend a finding.

use super::finding::{Aspect, Finding, Problem};
use crate::entity::DeclaredDestination;

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
            // what embeds nothing again is said as well
            Problem::Differs {
                aspect: Aspect::View,
                actual,
                ..
            } => format!(
                "{drop}\n{}\n// or let the entity say where the view is, which is {actual}, with `view_schema` and \
                 `view_name`; \
                 pgai's own schema has it beside the source",
                self.create()
            ),
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
                ..
            } => format!(
                "{drop}\n{}\n// or, where the `ai` schema is pgai-sea's: manager.set_scheduling({name:?}, \
                 Scheduling::none(), ..)\
                 .await?; with what the entity says, after dropping an index that is there already",
                self.create()
            ),
            Problem::Differs {
                aspect: Aspect::Dimensions | Aspect::Embedding | Aspect::Chunking | Aspect::Formatting,
                ..
            } => self.change(name),
            Problem::Differs { .. } => format!("{drop}\n{}", self.create()),
            Problem::Refused(_) => String::new(),
        }
    }

    /// Searches go on meanwhile.
    fn change(&self, name: &str) -> String {
        let Some(declaration) = self.declaration else {
            return String::new();
        };
        let module = declaration.module;
        let change = if self.gives_embedding {
            format!("{module}::Entity.into()")
        } else {
            format!("ChangeVectorizer::from({module}::Entity).embedding(..)")
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
