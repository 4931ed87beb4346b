//! The companion of an entity that was refused.
//!
//! Code elsewhere names the companion module, and each such place would be an error of its own. So there is one all the
//! same: with what was right, and without what was not. It never runs.

use proc_macro2::TokenStream;
use quote::quote;

use crate::ast::Entity;
use crate::{expand, valid};

pub(crate) fn entity(mut entity: Entity, messages: &TokenStream) -> TokenStream {
    // where SeaORM writes no `Entity` there is nothing that a companion could stand beside
    if !entity.is_model || entity.has_generics || entity.table_name.is_none() {
        return messages.clone();
    }
    entity.keys.retain(|key| valid::key(key).is_ok());
    let mut modules = Vec::new();
    entity.vectorizers.retain(|vectorizer| {
        let first = !modules.contains(&vectorizer.module);
        modules.push(vectorizer.module.clone());
        first
    });
    let companions = expand::entity(&entity);
    quote!(#messages #companions)
}
