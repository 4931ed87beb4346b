//! What a published `Cargo.toml` says.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// The parts of a manifest that are read here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Manifest {
    package: Package,
    #[serde(default)]
    dependencies: Dependencies,
    #[serde(default)]
    build_dependencies: Dependencies,
    #[serde(default)]
    target: BTreeMap<String, Target>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    version: String,
    description: Option<String>,
    readme: Option<Readme>,
    #[serde(default)]
    keywords: Vec<String>,
}

/// A path, or whether there is one of the usual name.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Readme {
    There(bool),
    Path(String),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Target {
    #[serde(default)]
    dependencies: Dependencies,
    #[serde(default)]
    build_dependencies: Dependencies,
}

/// By the name that the crate uses, which may not be the dependency's own.
type Dependencies = BTreeMap<String, Dependency>;

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Dependency {
    Detailed {
        package: Option<String>,
    },
    #[expect(dead_code, reason = "the version does not matter here")]
    Version(String),
}

impl Manifest {
    /// `None` if it is not a manifest of a package.
    pub(super) fn parse(text: &str) -> Option<Self> {
        toml::from_str(text).ok()
    }

    pub(super) fn name(&self) -> &str {
        &self.package.name
    }

    pub(super) fn version(&self) -> Option<semver::Version> {
        self.package.version.parse().ok()
    }

    pub(super) fn description(&self) -> &str {
        self.package.description.as_deref().unwrap_or_default()
    }

    pub(super) fn keywords(&self) -> &[String] {
        &self.package.keywords
    }

    /// The files that may be the README, the likeliest first.
    pub(super) fn readmes(&self) -> &[&str] {
        match &self.package.readme {
            Some(Readme::There(false)) => &[],
            _ => &[
                "README.md",
                "README",
                "README.txt",
                "Readme.md",
                "readme.md",
                "README.MD",
                "README.rst",
            ],
        }
    }

    /// The README's path, where the manifest has one.
    pub(super) fn readme_path(&self) -> Option<&str> {
        match &self.package.readme {
            Some(Readme::Path(path)) => Some(path),
            _ => None,
        }
    }

    /// The names of the crates that it needs to be built and run.
    pub(super) fn dependencies(&self) -> BTreeSet<&str> {
        let targets = self.target.values();
        let tables = [&self.dependencies, &self.build_dependencies]
            .into_iter()
            .chain(targets.flat_map(|target| [&target.dependencies, &target.build_dependencies]));
        tables
            .flatten()
            .map(|(name, dependency)| match dependency {
                Dependency::Detailed { package: Some(package) } => package,
                _ => name,
            })
            .map(String::as_str)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renamed_and_conditional_dependencies_count_by_their_own_name() {
        let manifest = Manifest::parse(
            r#"
            [package]
            name = "x"
            version = "1.2.3-rc.1+build"
            readme = false
            [dependencies]
            log = "0.4"
            futures03 = { package = "futures", version = "0.3", optional = true }
            [target.'cfg(unix)'.dependencies.libc]
            version = "0.2"
            [dev-dependencies]
            criterion = "0.5"
            "#,
        )
        .expect("a manifest");
        assert_eq!(manifest.dependencies(), BTreeSet::from(["futures", "libc", "log"]));
        assert!(manifest.readmes().is_empty() && manifest.readme_path().is_none());
        assert!(manifest.version().is_some_and(|version| !version.pre.is_empty()));
    }

    #[test]
    fn what_is_no_manifest_is_left_out() {
        assert!(Manifest::parse("[workspace]\nmembers = []").is_none());
        assert!(Manifest::parse("\u{fffd}").is_none());
    }
}
