//! The crates on this machine, as Cargo has unpacked them.

mod choice;
mod lockfile;
mod manifest;
mod readme;
mod registry;

use std::{env, fmt, path::PathBuf};

use self::{choice::Candidate, registry::Unpacked};
use crate::Error;

/// What was found, and what of it was chosen.
#[derive(Debug)]
pub struct Crates {
    /// What was chosen.
    pub crates: Vec<Crate>,
    /// How many there were to choose from.
    found: usize,
}

/// A crate, as its newest version on this machine describes itself.
#[derive(Debug)]
#[non_exhaustive]
pub struct Crate {
    /// As `Cargo.toml` has it.
    pub name: String,
    /// As `Cargo.toml` has it.
    pub version: String,
    /// In one line. Empty if the manifest has none.
    pub description: String,
    /// The manifest's.
    pub keywords: Vec<String>,
    /// What one reads of the README. The description if there is none.
    pub readme: String,
    /// The paragraphs of the crate's documentation, as `src/lib.rs` begins with them.
    pub docs: Vec<String>,
}

impl fmt::Display for Crates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "read {} of {} crates", self.crates.len(), self.found)
    }
}

impl Crates {
    /// Reads `number` of the crates in Cargo's registry, the newest version of each.
    ///
    /// # Errors
    ///
    /// There are none.
    pub fn find(number: usize) -> Result<Self, Error> {
        let sources = cargo_home().ok_or(Error::NoHome)?.join("registry/src");
        let newest = registry::newest(&sources);
        if newest.is_empty() {
            return Err(Error::NoCrates(sources));
        }
        let depths = lockfile::depths();
        let found = newest.len();
        let candidates = newest
            .into_iter()
            .map(|unpacked| Candidate::new(unpacked, &depths))
            .collect();
        let crates = choice::choose(candidates, number)
            .into_iter()
            .map(Crate::from)
            .collect();
        Ok(Self { crates, found })
    }
}

impl From<Unpacked> for Crate {
    fn from(unpacked: Unpacked) -> Self {
        let Unpacked {
            name,
            version,
            manifest,
            dir,
        } = unpacked;
        let description = readme::one_line(manifest.description());
        let readme = readme::read(&dir, &manifest)
            .map(|markdown| readme::plain(&markdown))
            .filter(|text| !text.is_empty())
            // a crate without a README still has something to say
            .unwrap_or_else(|| description.clone());
        Self {
            name,
            version: version.to_string(),
            description,
            keywords: manifest.keywords().to_vec(),
            readme,
            docs: readme::docs(&dir),
        }
    }
}

/// `CARGO_HOME`, else `.cargo` in the home directory, as Cargo has it.
fn cargo_home() -> Option<PathBuf> {
    let named = env::var_os("CARGO_HOME")
        .filter(|home| !home.is_empty())
        .map(PathBuf::from);
    named.or_else(|| Some(env::home_dir()?.join(".cargo")))
}
