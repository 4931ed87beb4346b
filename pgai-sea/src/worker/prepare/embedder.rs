//! Which [`Embedder`] serves a vectorizer: the one given in code for its provider and model, or else the one that its
//! configuration names.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::catalog::Vectorizer;
use crate::config::Embedding;
use crate::embedder::allowed::Allowed;
use crate::embedder::{EmbedError, Embedder};
use crate::worker::connection::Database;

use super::owner::Owner;

/// Embedders given in code, by provider and model.
#[derive(Clone, Debug, Default)]
pub(crate) struct Embedders {
    given: HashMap<(String, String), Arc<dyn Embedder>>,
}

impl Embedders {
    pub(crate) fn insert(&mut self, provider: String, model: String, embedder: Arc<dyn Embedder>) {
        self.given.insert((provider, model), embedder);
    }

    /// Embedders that no vectorizer asks for, in words. There usually is a slip in the name.
    pub(crate) fn unmatched(&self, vectorizers: &[Vectorizer]) -> Vec<String> {
        let asked = |vectorizer: &Vectorizer| {
            let embedding = &vectorizer.config.embedding;
            (embedding.provider().to_owned(), embedding.model().to_owned())
        };
        let asked: BTreeSet<(String, String)> = vectorizers.iter().map(asked).collect();
        let shown: Vec<String> = asked
            .iter()
            .map(|(provider, model)| format!("`{provider}`, `{model}`"))
            .collect();
        let mut unmatched: Vec<_> = self.given.keys().filter(|name| !asked.contains(*name)).collect();
        unmatched.sort();
        let said = unmatched.into_iter().map(|(provider, model)| {
            format!(
                "the embedder for `{provider}`, `{model}` serves no vectorizer: they name {}",
                shown.join("; ")
            )
        });
        said.collect()
    }

    /// What the vectorizer's owner wrote into the configuration has to be [`Allowed`].
    pub(crate) async fn choose(
        &self,
        pool: &Database,
        config: &Embedding,
        allowed: &Allowed,
        owner: Option<&Owner>,
    ) -> Result<Arc<dyn Embedder>, EmbedError> {
        let name = (config.provider().to_owned(), config.model().to_owned());
        match (self.given.get(&name), config) {
            (Some(embedder), _) => Ok(Arc::clone(embedder)),
            (None, Embedding::Local(local)) => Err(EmbedError::not_given(&local.model)),
            (None, _) => configured::embedder(pool, config, allowed, owner).await,
        }
    }
}

/// The embedder of a vectorizer whose texts go through OpenAI's batches.
#[cfg(feature = "embedder")]
pub(crate) async fn openai(
    pool: &Database,
    vectorizer: &Vectorizer,
    allowed: &Allowed,
) -> Result<Arc<crate::embedder::OpenAi>, super::StopReason> {
    let owner = super::owner::owner(pool, vectorizer.id).await?;
    let made = configured::openai(pool, &vectorizer.config.embedding, allowed, owner.as_ref()).await;
    made.map_err(|error| super::unsupported(error.to_string()))
}

/// With the feature `embedder`: the providers of this crate.
#[cfg(feature = "embedder")]
mod configured {
    use std::sync::Arc;

    use sea_orm::sqlx::{Row as _, query};
    use tracing::debug;

    use crate::config::Embedding;
    use crate::embedder::allowed::{Allowed, Author, without_server};
    use crate::embedder::{EmbedError, Embedder, OpenAi, environment, from_config, openai_of};
    use crate::worker::connection::{Database, On as _};
    use crate::worker::database_error::DatabaseError;
    use crate::worker::prepare::owner::Owner;

    /// API keys are those of the environment, or else of the database.
    pub(super) async fn embedder(
        pool: &Database,
        config: &Embedding,
        allowed: &Allowed,
        owner: Option<&Owner>,
    ) -> Result<Arc<dyn Embedder>, EmbedError> {
        made(pool, config, allowed, owner, |config, variable| {
            from_config(config, variable)
        })
        .await
    }

    /// OpenAI's, with the same rules.
    pub(super) async fn openai(
        pool: &Database,
        config: &Embedding,
        allowed: &Allowed,
        owner: Option<&Owner>,
    ) -> Result<Arc<OpenAi>, EmbedError> {
        made(pool, config, allowed, owner, |config, variable| {
            openai_of(config, variable).map(Arc::new)
        })
        .await
    }

    #[allow(clippy::type_complexity, reason = "a function as `from_config`")]
    async fn made<E: Embedder + ?Sized>(
        pool: &Database,
        config: &Embedding,
        allowed: &Allowed,
        owner: Option<&Owner>,
        make: fn(&Embedding, &dyn Fn(&str) -> Option<String>) -> Result<Arc<E>, EmbedError>,
    ) -> Result<Arc<E>, EmbedError> {
        let author = owner.map_or_else(Author::default, |owner| Author {
            name: Some(&owner.name),
            is_trusted: owner.is_trusted,
        });
        allowed.check_key(config, author)?;
        let revealed = match config.secret_name().filter(|name| environment(name).is_none()) {
            Some(name) => reveal(pool, name).await.map(|secret| (name, secret)),
            None => None,
        };
        let variable = |name: &str| match &revealed {
            Some((known, secret)) if *known == name => Some(secret.clone()),
            _ => environment(name),
        };
        let embedder = make(config, &variable)?;
        if let Some(bare) = without_server(config) {
            let own = || make(&bare, &variable).ok()?.server();
            allowed.check_host(embedder.server().as_ref(), own, author)?;
        }
        Ok(embedder)
    }

    /// The secret of that name, if the `ai` extension is there and this role may see the secret. A function of that
    /// name
    /// that others have put into the schema is not called: it would run with the worker's rights.
    async fn reveal(pool: &Database, name: &str) -> Option<String> {
        let revealed: Result<Option<String>, DatabaseError> = async {
            let exists = "select count(*) > 0 and bool_and(r.rolsuper or p.proowner = n.nspowner) \
                          from pg_catalog.pg_proc p \
                          join pg_catalog.pg_namespace n on n.oid = p.pronamespace \
                          join pg_catalog.pg_roles r on r.oid = p.proowner \
                          where n.nspname = 'ai' and p.proname = 'reveal_secret'";
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
}

/// Without the feature `embedder` there are only embedders given in code.
#[cfg(not(feature = "embedder"))]
mod configured {
    use std::sync::Arc;

    use super::not_built_in;
    use crate::config::Embedding;
    use crate::embedder::allowed::Allowed;
    use crate::embedder::{EmbedError, Embedder};
    use crate::worker::connection::Database;
    use crate::worker::prepare::owner::Owner;

    #[allow(clippy::unused_async, reason = "as with the feature")]
    pub(super) async fn embedder(
        _: &Database,
        config: &Embedding,
        _: &Allowed,
        _: Option<&Owner>,
    ) -> Result<Arc<dyn Embedder>, EmbedError> {
        Err(not_built_in(config))
    }
}

#[cfg(any(test, not(feature = "embedder")))]
fn not_built_in(config: &Embedding) -> EmbedError {
    let (provider, model) = (config.provider(), config.model());
    EmbedError::Configuration {
        provider: "the worker",
        message: format!(
            "it was built without the feature `embedder`, so it cannot ask {provider} for `{model}`: turn on that \
                feature of \
             pgai-sea, or give it an embedder with `Worker::embedder(\"{provider}\", \"{model}\", ..)`"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_built_in_names_the_feature_and_the_override() {
        let error = not_built_in(&Embedding::ollama("all-minilm", 384).into()).to_string();
        assert!(error.contains("the feature `embedder`"), "{error}");
        assert!(
            error.contains(r#"`Worker::embedder("ollama", "all-minilm", ..)`"#),
            "{error}"
        );
    }
}
