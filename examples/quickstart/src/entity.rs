//! The table `crates`, whose READMEs are searchable by meaning.

#![allow(unreachable_pub)] // written as in an application, where other modules use it

use examples_shared::Crate;
use pgai_sea::Vectorizer;
use sea_orm::entity::prelude::*;

/// A crate, as its newest version on this machine describes itself.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
#[sea_orm(table_name = "crates")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    pub version: String,
    pub description: String,
    #[vectorizer(dimensions = 384)]
    pub readme: String,
}

impl ActiveModelBehavior for ActiveModel {}

/// What is embedded of a chunk of a README: few say in each paragraph what they are about.
pub(crate) const TEMPLATE: &str = "$name: $description\n$chunk";

impl Model {
    /// What [`TEMPLATE`] puts in front of each chunk.
    pub(crate) fn heading(&self) -> String {
        format!("{}: {}\n", self.name, self.description)
    }
}

impl From<Crate> for Model {
    fn from(found: Crate) -> Self {
        Self {
            name: found.name,
            version: found.version,
            description: found.description,
            readme: found.readme,
        }
    }
}
