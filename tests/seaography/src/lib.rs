//! The entities that the derive's own tests accept, as part of a GraphQL schema: `cargo clippy --tests` compiles them.
#![deny(warnings, missing_docs, unreachable_pub, clippy::pedantic)]

#[path = "../../../pgai-sea-derive/tests/accepts/api.rs"]
pub mod api;
#[path = "../../../pgai-sea-derive/tests/accepts/compact.rs"]
pub mod compact;
#[path = "../../../pgai-sea-derive/tests/accepts/declared.rs"]
pub mod declared;
#[path = "../../../pgai-sea-derive/tests/accepts/dense.rs"]
pub mod dense;
#[cfg(test)]
#[path = "../../../pgai-sea-derive/tests/accepts/keys.rs"]
mod keys;

use seaography::RelationBuilder;

/// Companions are related to their sources for seaography as well.
#[must_use]
pub fn related() -> Vec<Box<dyn RelationBuilder>> {
    use compact::note::title_embeddings;
    use dense::blog_post::content_embeddings;

    vec![
        Box::new(title_embeddings::RelatedEntity::Source),
        Box::new(content_embeddings::RelatedEntity::Source),
    ]
}

#[cfg(test)]
fn sql(query: &impl sea_orm::QueryTrait) -> String {
    query.build(sea_orm::DbBackend::Postgres).to_string()
}
