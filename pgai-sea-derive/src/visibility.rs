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

#[cfg(test)]
mod tests {
    use quote::ToTokens;
    use syn::parse_str;

    use super::*;

    #[test]
    fn the_companion_is_as_visible_as_the_model() {
        for (beside, inside) in [
            ("pub", "pub"),
            ("", "pub (super)"),
            ("pub(self)", "pub (in super)"),
            ("pub(super)", "pub (in super :: super)"),
            ("pub(in super::super)", "pub (in super :: super :: super)"),
            ("pub(in self::super)", "pub (in super :: super)"),
            ("pub(crate)", "pub (crate)"),
            ("pub(in crate::models)", "pub (in crate :: models)"),
        ] {
            let vis: Visibility = parse_str(beside).unwrap();
            assert_eq!(one_module_in(&vis).to_token_stream().to_string(), inside, "{beside}");
        }
    }
}
