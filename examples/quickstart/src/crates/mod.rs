//! The crates on this machine, as Cargo has unpacked them.

mod choice;
mod lockfile;
mod manifest;
mod readme;
mod registry;

use std::{env, fmt, path::PathBuf};

use self::{choice::Candidate, registry::Unpacked};
use crate::{entity, error::Error};

/// What was found, and what of it was chosen.
#[derive(Debug)]
pub(crate) struct Crates {
    pub(crate) crates: Vec<entity::Model>,
    /// How many there were to choose from.
    found: usize,
}

impl fmt::Display for Crates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "read {} of {} crates", self.crates.len(), self.found)
    }
}

/// Reads `number` of the crates in Cargo's registry, the newest version of each.
///
/// # Errors
///
/// There are none.
pub(crate) fn find(number: usize) -> Result<Crates, Error> {
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
    let crates = choice::choose(candidates, number).into_iter().map(row).collect();
    Ok(Crates { crates, found })
}

fn row(unpacked: Unpacked) -> entity::Model {
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
    entity::Model {
        name,
        version: version.to_string(),
        description,
        readme,
    }
}

/// `CARGO_HOME`, else `.cargo` in the home directory, as Cargo has it.
fn cargo_home() -> Option<PathBuf> {
    let named = env::var_os("CARGO_HOME")
        .filter(|home| !home.is_empty())
        .map(PathBuf::from);
    named.or_else(|| Some(env::home_dir()?.join(".cargo")))
}
