//! The rooms of the library, and which way imports go between them. ARCHITECTURE.md draws them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// A room may name those before it, and no others.
const ROOMS: &[&str] = &[
    "sql",
    "config",
    "pooled",
    "pgvector",
    "text",
    "vectorizer",
    "entity",
    "catalog",
    "document",
    "embedder",
    "rerank",
    "search",
    "quality",
    "change",
    "check",
    "migration",
    "worker",
    "testing",
    "cli",
];

/// Of every file, which rooms its code names.
#[test]
fn imports_run_downwards() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pgai-sea/src");
    let rank = |room: &str| ROOMS.iter().position(|known| *known == room);
    let mut upwards = BTreeSet::new();
    let mut rooms = BTreeSet::new();
    for file in files(&source) {
        let path = file.strip_prefix(&source).unwrap();
        let room = path
            .iter()
            .next()
            .unwrap()
            .to_str()
            .unwrap()
            .trim_end_matches(".rs")
            .to_owned();
        let Some(own) = rank(&room) else { continue };
        let mut named = Named::default();
        named.visit_file(&syn::parse_file(&std::fs::read_to_string(&file).unwrap()).unwrap());
        for other in named.rooms {
            match rank(&other) {
                Some(other_rank) if other_rank > own => {
                    upwards.insert(format!("{} names {other}", path.display()));
                }
                _ => {}
            }
        }
        rooms.insert(room);
    }
    assert_eq!(upwards, BTreeSet::new());
    let known: BTreeSet<_> = ROOMS.iter().map(|room| (*room).to_owned()).collect();
    assert_eq!(rooms, known, "a room came or went: say in ROOMS where it stands");
}

/// The source files, without those of tests alone.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("tests") {
            files.extend(self::files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
    files
}

/// The modules of the crate that a file names with `crate::`, unit tests left out.
#[derive(Default)]
struct Named {
    rooms: BTreeSet<String>,
}

impl<'ast> Visit<'ast> for Named {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !module
            .attrs
            .iter()
            .any(|attribute| attribute.path().is_ident("cfg") && is_test(attribute))
        {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if let syn::UseTree::Path(path) = &item.tree
            && path.ident == "crate"
        {
            self.below(&path.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let mut segments = path.segments.iter();
        if segments.next().is_some_and(|first| first.ident == "crate")
            && let Some(room) = segments.next()
        {
            self.rooms.insert(room.ident.to_string());
        }
        visit::visit_path(self, path);
    }
}

impl Named {
    fn below(&mut self, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => {
                self.rooms.insert(path.ident.to_string());
            }
            syn::UseTree::Name(name) => {
                self.rooms.insert(name.ident.to_string());
            }
            syn::UseTree::Rename(name) => {
                self.rooms.insert(name.ident.to_string());
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.below(tree)),
            syn::UseTree::Glob(_) => {}
        }
    }
}

fn is_test(attribute: &syn::Attribute) -> bool {
    attribute
        .parse_args::<syn::Path>()
        .is_ok_and(|path| path.is_ident("test"))
}
