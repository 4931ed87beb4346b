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
    entity.keys.retain(valid::fits_companion);
    let mut places = Vec::new();
    entity.vectorizers.retain(|vectorizer| {
        let place = (!vectorizer.in_column()).then(|| vectorizer.module.clone());
        let first = !places.contains(&place);
        places.push(place);
        first
    });
    for vectorizer in &mut entity.vectorizers {
        let attr = &mut vectorizer.attr;
        (attr.embedding, attr.chunking, attr.formatting, attr.indexing) = (None, None, None, None);
    }
    let companions = expand::entity(&entity);
    quote!(#messages #companions)
}
