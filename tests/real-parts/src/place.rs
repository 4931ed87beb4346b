//! Where fetched and started things are kept.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Where wheels are unpacked: `real-parts` in the workspace's target directory.
pub(crate) fn parts_dir() -> Result<PathBuf> {
    match target_dir() {
        Some(target) => Ok(target.join("real-parts")),
        None => private_temp_dir(&std::env::temp_dir()),
    }
}

/// The target directory of the build that the running program is from, whatever the current directory.
fn target_dir() -> Option<PathBuf> {
    // Cargo takes a relative one relative to where it was started, which a test or `cargo run` no longer knows.
    let named = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    if let Some(dir) = named.filter(|dir| dir.is_absolute()) {
        return Some(dir);
    }
    // Cargo tags its target directories for backup tools.
    let program = std::env::current_exe().ok()?;
    let tagged = program.ancestors().find(|dir| dir.join("CACHEDIR.TAG").is_file());
    if let Some(dir) = tagged {
        return Some(dir.to_owned());
    }
    // A doctest or an installed program: as long as the workspace is still where it was built.
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    workspace.canonicalize().ok().map(|workspace| workspace.join("target"))
}

/// A directory of this user's own under `temp`, readable for everyone and writable for nobody else. It has one name per
/// user, so that what is fetched is found again.
///
/// # Errors
///
/// If something else has that name; anyone may have put it there.
pub(crate) fn private_temp_dir(temp: &Path) -> Result<PathBuf> {
    let user = effective_uid()?;
    let dir = temp.join(format!("pgai-sea-real-parts-{user}"));
    match DirBuilder::new().mode(0o755).create(&dir) {
        Ok(()) => return Ok(dir),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(Error::io("create", &dir)(error)),
    }
    let found = fs::symlink_metadata(&dir).map_err(Error::io("look at", &dir))?;
    if found.is_dir() && found.uid() == user && found.mode() & 0o022 == 0 {
        return Ok(dir);
    }
    let message = "it exists, and is not a directory that only this user can write to: remove it";
    Err(Error::io("use", &dir)(io::Error::other(message)))
}

/// The user that this process acts as: the owner of a file that it makes.
pub(crate) fn effective_uid() -> Result<u32> {
    tempfile::tempfile()
        .and_then(|file| file.metadata())
        .map(|metadata| metadata.uid())
        .map_err(Error::io("create a file in", &std::env::temp_dir()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn the_target_directory_is_the_one_that_this_test_is_built_into() {
        let target = target_dir().expect("a target directory");
        let program = std::env::current_exe().expect("this program");
        assert!(program.starts_with(&target), "{}", target.display());
    }

    #[test]
    fn a_private_directory_is_found_again_and_one_that_others_can_write_to_is_refused() {
        let temp = tempfile::tempdir().expect("a directory");
        let dir = private_temp_dir(temp.path()).expect("a private directory");
        assert_eq!(private_temp_dir(temp.path()).expect("the same"), dir);
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).expect("permissions");
        private_temp_dir(temp.path()).expect_err("others may write there");
        fs::remove_dir(&dir).expect("removed");
        symlink("/", &dir).expect("a symbolic link");
        private_temp_dir(temp.path()).expect_err("it leads elsewhere");
    }
}
