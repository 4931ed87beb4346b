//! What [`install`](super::install) and [`uninstall`](super::uninstall) would run, as a script to read and to run by
//! hand.

use sea_orm::ConnectionTrait;

use super::CatalogError;
use super::apply::{RETURNS_VECTOR, create_unless, name_of};
use super::install::{COMMENT, REGISTER};
use super::presence::{Presence, presence, scalar};
use super::schema::{FUNCTIONS, LOCK, MIGRATIONS, TRIGGERS, VERSION};
use super::uninstall::statements;

const BEGIN: &str = "begin;
select pg_advisory_xact_lock(hashtextextended('pgai-sea: schema ai', 0));";

/// As an install: nothing of the caller's search path is called.
const PIN: &str = "set local search_path to pg_catalog, pg_temp;";
/// What functions that return pgvector's type need besides.
const VECTOR: &str = "select set_config('search_path', format('pg_catalog, %I, pg_temp', n.nspname), true)
from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector';";

/// What was there before: a function that is made anew has another row.
const FOUND: &str = "create temporary table pgai_sea_found on commit drop as
select p.oid::regprocedure::text as signature, format('%s %s', p.oid, p.ctid) as place
from pg_proc p where p.pronamespace = 'ai'::regnamespace and p.prorettype <> 'trigger'::regtype;";

/// Functions that this version does not have are dropped, and the others recorded.
const RECORD: &str = "do $$
declare
    stale text;
begin
    select string_agg(distinct f.oid::regprocedure::text, ', ') into stale
    from (select functions from ai.pgai_sea_migration order by version desc limit 1) m
    cross join unnest(m.functions) s (signature)
    cross join lateral (select to_regprocedure(s.signature)::oid) f (oid)
    join pg_temp.pgai_sea_found b on b.signature = s.signature
    join pg_proc p on p.oid = f.oid and format('%s %s', p.oid, p.ctid) = b.place;
    if stale is not null then
        execute 'drop function ' || stale;
    end if;
end
$$;";

/// The SQL that [`install`](super::install) would run on this database. Runs nothing but queries.
pub(crate) async fn install<C: ConnectionTrait>(db: &C) -> Result<String, CatalogError> {
    let (from, brought) = match presence(db).await? {
        Presence::Pgai(version) => return Ok(format!("-- pgai {version} is there and is used as it is\n")),
        Presence::Ours(VERSION) => return Ok(format!("-- the schema ai is there already, version {VERSION}\n")),
        Presence::Ours(found) if found > VERSION => return Err(CatalogError::TooNew { found, known: VERSION }),
        Presence::Ours(from) => {
            let brought = "SELECT functions FROM ai.pgai_sea_migration ORDER BY version DESC LIMIT 1";
            (from, scalar::<C, Vec<String>>(db, brought).await?)
        }
        Presence::Absent { .. } => (0, Vec::new()),
    };
    let mut parts = vec![BEGIN.to_owned()];
    if let Presence::Absent { schema } = presence(db).await? {
        parts.push("create extension if not exists vector;".to_owned());
        if !schema {
            parts.push("create schema ai;".to_owned());
        }
        parts.push(format!("{REGISTER};"));
        if !schema {
            parts.push(format!("{COMMENT};"));
        }
    }
    parts.extend([PIN.to_owned(), FOUND.to_owned()]);
    let newer = || {
        MIGRATIONS
            .iter()
            .zip(1..)
            .filter(|(_, version)| *version > from)
            .map(|(migration, _)| migration)
    };
    parts.extend(newer().map(|migration| migration.tables.trim_end().to_owned()));
    let replaced: Vec<&str> = brought.iter().map(|function| name_of(function)).collect();
    for (file, sql) in FUNCTIONS {
        let create = create_unless(sql.trim_end(), &replaced);
        if *file == RETURNS_VECTOR {
            parts.extend([VECTOR.to_owned(), create, PIN.to_owned()]);
        } else {
            parts.push(create);
        }
    }
    if from > 0 {
        parts.push(format!("{LOCK};"));
    }
    parts.extend(
        newer()
            .filter_map(|migration| migration.after)
            .map(|sql| sql.trim_end().to_owned()),
    );
    if from > 0 {
        parts.push(format!("{TRIGGERS};"));
    }
    parts.push(RECORD.to_owned());
    parts.push(format!(
        "insert into ai.pgai_sea_migration (version, functions)
select {VERSION}, coalesce(array_agg(p.oid::regprocedure::text), '{{}}') from pg_proc p
where p.pronamespace = 'ai'::regnamespace and p.prorettype <> 'trigger'::regtype
and not exists (select from pg_temp.pgai_sea_found b where b.place = format('%s %s', p.oid, p.ctid));
commit;"
    ));
    Ok(parts.join("\n\n") + "\n")
}

/// The SQL that [`uninstall`](super::uninstall) would run on this database, after `first`. Runs nothing but queries.
pub(crate) async fn uninstall<C: ConnectionTrait>(db: &C, first: &[String]) -> Result<String, CatalogError> {
    if !matches!(presence(db).await?, Presence::Ours(_)) {
        return Err(CatalogError::NotOurs);
    }
    let mut script = format!("{BEGIN}\n");
    for statement in first.iter().chain(&statements(db).await?) {
        script += &format!("{statement};\n");
    }
    Ok(script + "commit;\n")
}
