//! Fetching a wheel: pip downloads it, what came is checked against the pin, and unpacked in one step.

use std::fmt::Write;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};
use zip::ZipArchive;

use crate::error::last_lines;
use crate::progress::{Progress, report};
use crate::wheel::{Build, Wheel};
use crate::{Error, Result};

impl Wheel {
    /// The directory under `base` that holds what the wheel holds; fetched first if it is not there.
    ///
    /// Any number of processes may ask at once: one fetches and the others wait for it.
    pub(crate) fn unpacked(&self, base: &Path) -> Result<PathBuf> {
        let build = self.build()?;
        // with a part of the hash, so that another pin or platform is another directory
        let dir = base.join(format!("{}-{}-{}", self.name, self.version, &build.sha256[..12]));
        if dir.is_dir() {
            return Ok(dir);
        }
        fs::create_dir_all(base).map_err(Error::io("create", base))?;
        // one at a time for the files of a package
        let _lock = lock(&base.join(format!("{}.lock", self.name)))?;
        if dir.is_dir() {
            return Ok(dir); // by the process that had the lock
        }
        let scratch = format!("fetching-{}", self.name);
        fs::remove_dir_all(base.join(&scratch)).ok(); // what an interrupted process left; this one has the lock
        let scratch = tempfile::Builder::new()
            .prefix(&scratch)
            .rand_bytes(0)
            .tempdir_in(base)
            .map_err(Error::io("create a directory in", base))?;
        report(Progress::Fetching {
            part: self.part,
            bytes: build.bytes,
        });
        let file = self.download(build, scratch.path())?;
        report(Progress::Unpacking { part: self.part });
        self.verify(build, &file)?;
        let unpacked = scratch.path().join("unpacked");
        if self.is_source {
            let all = scratch.path().join("all");
            self.extract(&file, &all)?;
            create_open_dir(&unpacked, &unpacked)?;
            copy(&all, &all, &unpacked, self.keep)?;
        } else {
            unpack(&file, &unpacked, self.keep)?;
        }
        // a directory of this name is a complete one
        fs::rename(&unpacked, &dir).map_err(Error::io("create", &dir))?;
        Ok(dir)
    }

    fn download(&self, build: &Build, into: &Path) -> Result<PathBuf> {
        let mut pip = Command::new("python3");
        let form = if self.is_source {
            format!("--no-binary={}", self.name)
        } else {
            "--only-binary=:all:".to_owned()
        };
        pip.args(["-m", "pip", "download", "--no-deps", &form])
            .args(["--disable-pip-version-check", "--no-input", "--dest"])
            .arg(into);
        if let Some(platform) = &build.platform {
            pip.args(["--python-version", "3.12", "--platform", platform.tag]);
        }
        let output = pip
            .arg(self.requirement())
            .stdin(Stdio::null())
            .output()
            .map_err(|source| Error::NoPython {
                part: self.part,
                instead: self.instead,
                source,
            })?;
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        if said.contains("No module named pip") {
            return Err(Error::NoPip {
                part: self.part,
                instead: self.instead,
            });
        }
        downloaded_in(into)
            .filter(|_| output.status.success())
            .ok_or_else(|| Error::Download {
                part: self.part,
                requirement: self.requirement(),
                instead: self.instead,
                output: last_lines(&said),
            })
    }

    /// Extracts a tar.gz, with the Python that runs pip.
    fn extract(&self, file: &Path, into: &Path) -> Result<()> {
        let mut tar = Command::new("python3");
        let tar = tar.args(["-m", "tarfile", "--extract"]).arg(file).arg(into);
        let output = tar.output().map_err(|source| Error::NoPython {
            part: self.part,
            instead: self.instead,
            source,
        })?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(Error::io("extract", file)(io::Error::other(said)))
    }

    fn verify(&self, build: &Build, file: &Path) -> Result<()> {
        let found = sha256(file)?;
        if found == build.sha256 {
            return Ok(());
        }
        Err(Error::Hash {
            file: name_of(file),
            found,
            pinned: build.sha256,
            instead: self.instead,
        })
    }
}

/// Waits for the lock file at `path`; held until the result is dropped, or its process ends.
pub(crate) fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).map_err(Error::io("create", path))?;
    file.lock().map_err(Error::io("lock", path))?;
    Ok(file)
}

fn downloaded_in(dir: &Path) -> Option<PathBuf> {
    fs::read_dir(dir)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            path.extension()
                .is_some_and(|extension| extension == "whl" || extension == "gz")
        })
}

fn name_of(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn sha256(file: &Path) -> Result<String> {
    let content = fs::read(file).map_err(Error::io("read", file))?;
    let hash = Sha256::digest(content);
    Ok(hash.iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}"); // a String takes everything
        digits
    }))
}

/// Unpacks what `keep` lets through. The modes are set whatever the umask, execute bits as the archive has them: a
/// server started by root runs as another user, who has to read all this.
fn unpack(file: &Path, into: &Path, keep: fn(&str) -> bool) -> Result<()> {
    let broken = |source| Error::Unpack {
        file: name_of(file),
        source,
    };
    let opened = File::open(file).map_err(Error::io("read", file))?;
    let mut archive = ZipArchive::new(opened).map_err(broken)?;
    create_open_dir(into, into)?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(broken)?;
        // no entry leaves `into`
        let Some(name) = entry.enclosed_name() else {
            continue;
        };
        if entry.is_dir() || !keep(&name.to_string_lossy()) {
            continue;
        }
        let path = into.join(&name);
        create_open_dir(into, path.parent().unwrap_or(into))?;
        let mode = 0o644 | (entry.unix_mode().unwrap_or_default() & 0o111);
        File::create(&path)
            .and_then(|mut out| {
                io::copy(&mut entry, &mut out)?;
                out.set_permissions(Permissions::from_mode(mode))
            })
            .map_err(Error::io("write", &path))?;
    }
    Ok(())
}

/// Copies the files that `keep` lets through, by their paths below `root`.
fn copy(root: &Path, dir: &Path, into: &Path, keep: fn(&str) -> bool) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(Error::io("read", dir))? {
        let path = entry.map_err(Error::io("read", dir))?.path();
        let name = path.strip_prefix(root).unwrap_or(&path);
        if path.is_dir() {
            copy(root, &path, into, keep)?;
        } else if keep(&name.to_string_lossy()) {
            let to = into.join(name);
            create_open_dir(into, to.parent().unwrap_or(into))?;
            fs::copy(&path, &to).map_err(Error::io("write", &to))?;
        }
    }
    Ok(())
}

/// Creates `dir` and what is missing between it and `root`, readable for everyone.
fn create_open_dir(root: &Path, dir: &Path) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent()
        && dir != root
    {
        create_open_dir(root, parent)?;
    }
    fs::create_dir(dir)
        .and_then(|()| fs::set_permissions(dir, Permissions::from_mode(0o755)))
        .map_err(Error::io("create", dir))
}
