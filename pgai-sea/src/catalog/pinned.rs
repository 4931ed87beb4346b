//! Holds the text of all SQL of the schema to its version.
//!
//! Databases that have a version never run its SQL again. So a change of the SQL has to come with another version, and
//! the text of a version that was released never changes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::schema::{FUNCTIONS, MIGRATIONS, VERSION};

/// Released versions and the SHA-256 of their text, which is kept in [`release`]. A line here is never changed.
const RELEASED: &[(i32, &str)] = &[(1, "65a4919c2916fcadfe276b28ac70f2fd410df3fbb1567c6c5f6cd7a7e1610242")];

/// `1` pins the text of the version that is not released yet. `release` writes it to its file too.
const BLESS: &str = "PGAI_SEA_BLESS_SCHEMA";

const COMMAND: &str = "PGAI_SEA_BLESS_SCHEMA=1 cargo test -p pgai-sea --lib catalog::pinned";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/catalog/sql")
}

/// The versions and the SHA-256 of their text, one a line.
fn pins() -> PathBuf {
    folder().join("pinned.txt")
}

/// All that a fresh install of this version ran. Tests upgrade it.
fn release(version: i32) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/tests/it/catalog/releases");
    tests.join(format!("v{version}.sql"))
}

/// All that a fresh install runs.
fn text() -> String {
    let mut text = format!(
        "-- Version {VERSION} of the schema ai, all of its SQL as it was released. Never edit this file: databases in \
            use were made with it.
-- Tests run it, put vectorizers to use, and upgrade them. It is what a caller of `install` runs, in one transaction, \
on a database
-- that has pgvector in the schema public.
create schema ai;
create table ai.pgai_sea_migration
( version int primary key
, applied_at timestamptz not null default now()
, functions text[] not null
);
comment on schema ai is 'vectorizers, installed by pgai-sea';
set local search_path to pg_catalog, public, pg_temp;
"
    );
    let mut add = |name: &str, sql: &str| write!(text, "\n-- {name}.sql\n\n{}\n", sql.trim_end()).unwrap();
    for migration in MIGRATIONS {
        add(&format!("migrations/{}", migration.name), migration.tables);
    }
    for (name, sql) in FUNCTIONS {
        add(&format!("functions/{name}"), sql);
    }
    for migration in MIGRATIONS {
        if let Some(sql) = migration.after {
            add(&format!("migrations/{}.after", migration.name), sql);
        }
    }
    write!(
        text,
        "
-- What the installer records: the functions that this version brings.
insert into ai.pgai_sea_migration (version, functions)
select {VERSION}, coalesce(array_agg(p.oid::regprocedure::text), '{{}}') from pg_proc p
where p.pronamespace = 'ai'::regnamespace and p.prorettype <> 'trigger'::regtype;
"
    )
    .unwrap();
    text
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        })
}

fn pinned() -> Vec<(i32, String)> {
    let pins = fs::read_to_string(pins()).unwrap();
    pins.lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(version, sha)| (version.parse().unwrap(), sha.to_owned()))
        .collect()
}

/// Pins the text of the version that is not released.
fn bless(how: &str) {
    let mut pins: Vec<_> = pinned().into_iter().filter(|(version, _)| *version < VERSION).collect();
    pins.push((VERSION, sha256(&text())));
    let lines = pins.iter().fold(String::new(), |mut lines, (version, sha)| {
        writeln!(lines, "{version} {sha}").unwrap();
        lines
    });
    fs::write(self::pins(), lines).unwrap();
    if how == "release" {
        fs::write(release(VERSION), text()).unwrap();
    }
}

#[test]
fn sql_changes_with_the_version_alone() {
    let sha = sha256(&text());
    if let Some((_, released)) = RELEASED.iter().find(|(version, _)| *version == VERSION) {
        assert_eq!(
            &sha,
            released,
            "version {VERSION} of the schema is released, and its SQL was changed. Add the migration \
                sql/migrations/{:03}_<what>.sql \
             (a comment is enough if only functions changed) to MIGRATIONS in catalog/schema.rs, then run `{COMMAND}`",
            VERSION + 1
        );
        return;
    }
    if let Ok(how) = std::env::var(BLESS) {
        bless(&how);
    }
    let versions: Vec<i32> = pinned().iter().map(|(version, _)| *version).collect();
    assert_eq!(
        versions,
        (1..=VERSION).collect::<Vec<_>>(),
        "pin the new version: run `{COMMAND}`"
    );
    assert_eq!(
        pinned().last().unwrap().1,
        sha,
        "the SQL of version {VERSION} of the schema was changed. It is not released yet, so its text may be pinned \
            anew: run `{COMMAND}`. \
         Databases that have version {VERSION} already do not get the change"
    );
}

#[test]
fn released_versions_stay_as_they_were() {
    for (version, sha) in RELEASED {
        let text = fs::read_to_string(release(*version)).unwrap();
        assert_eq!(&sha256(&text), sha, "{} was changed", release(*version).display());
        assert!(
            pinned().contains(&(*version, (*sha).to_owned())),
            "the pin of version {version} was changed"
        );
        for (migration, _) in MIGRATIONS.iter().zip(1..=*version) {
            for sql in [Some(migration.tables), migration.after].into_iter().flatten() {
                assert!(
                    text.contains(sql.trim_end()),
                    "the released migration {} was changed",
                    migration.name
                );
            }
        }
    }
}

/// A file that is not listed would never run.
#[test]
fn every_file_is_listed() {
    let mut listed: BTreeSet<String> = FUNCTIONS
        .iter()
        .map(|(name, _)| format!("functions/{name}.sql"))
        .collect();
    for (migration, version) in MIGRATIONS.iter().zip(1..) {
        assert!(
            migration.name.starts_with(&format!("{version:03}_")),
            "{} makes version {version}",
            migration.name
        );
        listed.insert(format!("migrations/{}.sql", migration.name));
        if migration.after.is_some() {
            listed.insert(format!("migrations/{}.after.sql", migration.name));
        }
    }
    let mut found = BTreeSet::new();
    let mut folders = vec![folder()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "sql") {
                found.insert(
                    path.strip_prefix(folder())
                        .unwrap()
                        .to_string_lossy()
                        .replace('\\', "/"),
                );
            }
        }
    }
    assert_eq!(found, listed);
}
