//! Which crates to read where there are more than wanted.

use std::{cmp::Reverse, collections::HashMap};

use super::registry::Unpacked;

/// A crate, and how near the project here is to it.
#[derive(Debug)]
pub(super) struct Candidate {
    unpacked: Unpacked,
    /// See [`depths`](super::lockfile::depths); farther than any for what is not in the lockfile.
    depth: usize,
}

impl Candidate {
    pub(super) fn new(unpacked: Unpacked, depths: &HashMap<String, usize>) -> Self {
        let depth = depths.get(&unpacked.name).copied().unwrap_or(usize::MAX);
        Self { unpacked, depth }
    }
}

/// Takes `number` crates: first what the project here names as dependencies, then what those need, and so on; among
/// equally near ones those that most crates on this machine depend on; then by name. It is the same choice as long as
/// the machine is the same.
pub(super) fn choose(mut candidates: Vec<Candidate>, number: usize) -> Vec<Unpacked> {
    let mut dependents: HashMap<String, usize> = HashMap::new();
    for candidate in &candidates {
        for dependency in candidate.unpacked.manifest.dependencies() {
            *dependents.entry(dependency.to_owned()).or_default() += 1;
        }
    }
    candidates.sort_by_cached_key(|candidate| {
        let name = &candidate.unpacked.name;
        let dependents = dependents.get(name).copied().unwrap_or(0);
        (candidate.depth, Reverse(dependents), name.clone())
    });
    candidates
        .into_iter()
        .take(number)
        .map(|candidate| candidate.unpacked)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crates::manifest::Manifest;

    #[test]
    fn near_ones_come_first_then_needed_ones_then_the_alphabet() {
        let candidate = |name: &str, dependencies: &[&str], depth: Option<usize>| {
            let dependencies: Vec<_> = dependencies.iter().map(|name| format!("{name} = \"1\"")).collect();
            let dependencies = dependencies.join("\n");
            let manifest = format!("[package]\nname = \"{name}\"\nversion = \"1.0.0\"\n[dependencies]\n{dependencies}");
            let manifest = Manifest::parse(&manifest).expect("a manifest");
            let unpacked = Unpacked {
                name: name.to_owned(),
                version: manifest.version().expect("a version"),
                manifest,
                dir: name.into(),
            };
            Candidate::new(
                unpacked,
                &depth.map(|depth| (name.to_owned(), depth)).into_iter().collect(),
            )
        };
        let candidates = || {
            vec![
                candidate("alone", &[], None),
                candidate("needed", &[], None),
                candidate("b", &["needed"], None),
                candidate("clap", &["needed"], Some(1)),
                candidate("clap_lex", &[], Some(2)),
            ]
        };
        let names = |number| -> Vec<String> {
            choose(candidates(), number)
                .into_iter()
                .map(|unpacked| unpacked.name)
                .collect()
        };
        assert_eq!(names(100), ["clap", "clap_lex", "needed", "alone", "b"]);
        assert_eq!(names(2), ["clap", "clap_lex"]);
    }
}
