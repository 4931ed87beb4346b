//! A visibility, said again one module further in.

use syn::{Path, VisRestricted, Visibility, parse_quote};

/// What `vis`, written beside the model, is inside the companion module.
///
/// Items of the companion are as visible as the model: no more, or its traits would show a private type in public; no
/// less, or the model could not use them.
pub(crate) fn one_module_in(vis: &Visibility) -> Visibility {
    match vis {
        Visibility::Public(_) => vis.clone(),
        Visibility::Inherited => parse_quote!(pub(super)),
        Visibility::Restricted(restricted) => inner(restricted),
    }
}

fn inner(restricted: &VisRestricted) -> Visibility {
    let path = &restricted.path;
    match path.segments.first() {
        Some(first) if first.ident == "self" => {
            let rest = path.segments.iter().skip(1);
            let path: Path = parse_quote!(super #(:: #rest)*);
            parse_quote!(pub(in #path))
        }
        Some(first) if first.ident == "super" => parse_quote!(pub(in super::#path)),
        _ => Visibility::Restricted(restricted.clone()),
    }
}
