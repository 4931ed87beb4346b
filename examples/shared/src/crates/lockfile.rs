//! How far each crate is from the project here, by its `Cargo.lock`.

use std::{
    collections::HashMap,
    env, fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Lockfile {
    #[serde(default)]
    package: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    source: Option<String>,
    /// `name`, `name version` or `name version (source)`.
    #[serde(default)]
    dependencies: Vec<String>,
}

/// The distance of each crate in the nearest `Cargo.lock` from that project's own packages: 1 for what they name
/// themselves, 2 for what those need, and so on. Nothing where there is no such file.
pub(super) fn depths() -> HashMap<String, usize> {
    let here = env::current_dir().ok();
    let built = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.iter()
        .chain([&built])
        .flat_map(|dir| dir.ancestors())
        .find_map(read)
        .map(|lockfile| distances(&lockfile))
        .unwrap_or_default()
}

fn read(dir: &Path) -> Option<Lockfile> {
    toml::from_str(&fs::read_to_string(dir.join("Cargo.lock")).ok()?).ok()
}

fn distances(lockfile: &Lockfile) -> HashMap<String, usize> {
    let mut dependencies: HashMap<&str, Vec<&str>> = HashMap::new();
    for package in &lockfile.package {
        // several versions of a crate are one crate here
        let names = package
            .dependencies
            .iter()
            .filter_map(|dependency| dependency.split(' ').next());
        dependencies.entry(&package.name).or_default().extend(names);
    }
    let mut distances = HashMap::new();
    let own = lockfile.package.iter().filter(|package| package.source.is_none());
    let mut ring: Vec<&str> = own.map(|package| package.name.as_str()).collect();
    for distance in 0.. {
        if ring.is_empty() {
            break;
        }
        ring.retain(|name| !distances.contains_key(*name));
        for name in &ring {
            distances.insert((*name).to_owned(), distance);
        }
        ring = ring
            .iter()
            .flat_map(|name| dependencies.get(name).into_iter().flatten().copied())
            .collect();
    }
    distances
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_from_the_projects_own_packages() {
        let lockfile = toml::from_str(
            r#"
            version = 4
            [[package]]
            name = "app"
            version = "0.1.0"
            dependencies = ["clap 4.0.0", "lib"]
            [[package]]
            name = "lib"
            version = "0.1.0"
            dependencies = ["app"]
            [[package]]
            name = "clap"
            version = "4.0.0"
            source = "registry+x"
            dependencies = ["clap_lex"]
            [[package]]
            name = "clap_lex"
            version = "1.0.0"
            source = "registry+x"
            dependencies = ["clap"]
            [[package]]
            name = "unused"
            version = "1.0.0"
            source = "registry+x"
            "#,
        )
        .expect("a lockfile");
        let expected = [("app", 0), ("lib", 0), ("clap", 1), ("clap_lex", 2)];
        assert_eq!(
            distances(&lockfile),
            expected.map(|(name, distance)| (name.to_owned(), distance)).into()
        );
    }
}
