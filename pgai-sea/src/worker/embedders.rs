//! Which [`Embedder`] serves a vectorizer: one given in code for its provider and model, else the one that its
//! configuration asks for.

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm::sqlx::{Row as _, query};
use tracing::debug;

use super::connection::{Database, On as _};
use super::database_error::DatabaseError;
use crate::config::Embedding;
use crate::embedder::{EmbedError, Embedder, environment, from_config};

/// Embedders given in code, by provider and model.
#[derive(Clone, Debug, Default)]
pub(crate) struct Embedders {
    given: HashMap<(String, String), Arc<dyn Embedder>>,
}

impl Embedders {
    pub(crate) fn insert(&mut self, provider: String, model: String, embedder: Arc<dyn Embedder>) {
        self.given.insert((provider, model), embedder);
    }

    /// API keys are those of the environment, else of the database.
    pub(crate) async fn choose(&self, pool: &Database, config: &Embedding) -> Result<Arc<dyn Embedder>, EmbedError> {
        let given = self
            .given
            .get(&(config.provider().to_owned(), config.model().to_owned()));
        if let Some(embedder) = given {
            return Ok(Arc::clone(embedder));
        }
        let revealed = match config.secret_name().filter(|name| environment(name).is_none()) {
            Some(name) => reveal(pool, name).await.map(|secret| (name, secret)),
            None => None,
        };
        from_config(config, |name| match &revealed {
            Some((known, secret)) if *known == name => Some(secret.clone()),
            _ => environment(name),
        })
    }
}

/// The secret of that name, where the `ai` extension is there and has one that this role may see.
async fn reveal(pool: &Database, name: &str) -> Option<String> {
    let revealed: Result<Option<String>, DatabaseError> = async {
        let exists = "select exists (select from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = \
                      p.pronamespace \
                      where n.nspname = 'ai' and p.proname = 'reveal_secret')";
        if !query(exists).one_on(pool).await?.try_get::<bool, _>(0)? {
            return Ok(None);
        }
        let reveal = query("select ai.reveal_secret($1)::text").bind(name.to_owned());
        Ok(reveal.one_on(pool).await?.try_get(0)?)
    }
    .await;
    match revealed {
        Ok(secret) => secret.filter(|secret| !secret.trim().is_empty()),
        Err(error) => {
            debug!(name, %error, "the database does not reveal the secret");
            None
        }
    }
}
