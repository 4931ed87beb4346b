//! Whom PostgreSQL runs as: it refuses to be root.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::place::effective_uid;
use crate::{Error, Result};

/// The user and group that PostgreSQL's programs run as.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Account {
    /// Those of this process.
    Own,
    /// Those of the user `nobody`, because this process is root's.
    Nobody { uid: u32, gid: u32 },
}

impl Account {
    pub(crate) fn current() -> Result<Self> {
        if effective_uid()? != 0 {
            return Ok(Self::Own);
        }
        let passwd = Path::new("/etc/passwd");
        let users = fs::read_to_string(passwd).map_err(Error::io("read", passwd))?;
        nobody(&users).ok_or(Error::NoUnprivilegedUser)
    }

    /// `program`, to be run as this user.
    pub(crate) fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Self::Nobody { uid, gid } = self {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Gives the file or directory at `path` to this user.
    pub(crate) fn own(self, path: &Path) -> Result<()> {
        match self {
            Self::Own => Ok(()),
            Self::Nobody { uid, gid } => chown(path, Some(uid), Some(gid)).map_err(Error::io("give away", path)),
        }
    }

    /// Whether this user can get into the directory at `path`, or would once it was made there.
    pub(crate) fn reaches(self, path: &Path) -> bool {
        let Some(existing) = path.ancestors().find(|dir| dir.is_dir()) else {
            return false;
        };
        // asked of the system as that user: parents, groups and access lists all count
        matches!(self, Self::Own)
            || self
                .command(Path::new("/bin/sh"))
                .args(["-c", r#"cd -- "$1""#, "sh"])
                .arg(existing)
                .current_dir("/")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
    }
}

fn nobody(passwd: &str) -> Option<Account> {
    let entry = passwd.lines().find(|line| line.starts_with("nobody:"))?;
    let mut fields = entry.split(':').skip(2).map(|field| {
        // -2 on macOS, which is 4294967294
        let id = field.parse::<i64>().ok()?;
        u32::try_from(id)
            .or_else(|_| i32::try_from(id).map(i32::cast_unsigned))
            .ok()
    });
    Some(Account::Nobody {
        uid: fields.next()??,
        gid: fields.next()??,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_nobody_is_found_as_linux_and_macos_write_it() {
        let ids = |passwd| match nobody(passwd) {
            Some(Account::Nobody { uid, gid }) => Some((uid, gid)),
            _ => None,
        };
        let linux = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65533:nobody:/:/bin/false\n";
        assert_eq!(ids(linux), Some((65534, 65533)));
        let macos = "# users\nnobody:*:-2:-2:Unprivileged User:/var/empty:/usr/bin/false\n";
        assert_eq!(ids(macos), Some((4_294_967_294, 4_294_967_294)));
        assert_eq!(ids("root:x:0:0:root:/root:/bin/bash\n"), None);
    }
}
