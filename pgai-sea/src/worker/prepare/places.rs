//! What a store can do: it may have the columns that say where chunks are, and chunks may be copied into it.

use sea_orm::sqlx::Row as _;

use crate::config::{Destination, DestinationTable};
use crate::entity::PLACE_COLUMNS;
use crate::worker::connection::{Database, On as _};
use crate::worker::database_error::DatabaseError;
use crate::worker::queue::key_sql::{Sql, statement};
use crate::worker::write::VectorFormat;

// COPY ignores rules, and is refused where row-level security holds. The column may be the user's own, of another type.
const FOUND: &str = "
select count(*) filter (where (a.attname::text, t.typname::text) in (select * from unnest($3::text[], $4::text[])))
    , max(t.typname::text) filter (where a.attname = 'embedding' and c.relkind in ('r', 'p')
        and not c.relhasrules and not pg_catalog.row_security_active(c.oid))
    , max(pg_catalog.format('%I.%I', tn.nspname, t.typname)) filter (where a.attname = 'embedding')
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_catalog.pg_type t on t.oid = a.atttypid
join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace
where n.nspname = $1 and c.relname = $2";

/// What a store can do.
#[derive(Debug, Default)]
pub(super) struct Abilities {
    /// Whether it has the columns that say where chunks are.
    pub(super) has_places: bool,
    /// In which format vectors are copied, if chunks may be copied.
    pub(super) format: Option<VectorFormat>,
    /// The type of its vectors, schema-qualified and quoted.
    pub(super) vector_type: Option<String>,
}

/// What the store can do. Nothing, if there is none.
pub(super) async fn abilities(database: &Database, destination: &Destination) -> Result<Abilities, DatabaseError> {
    let Destination::Table(DestinationTable {
        target_schema: Some(schema),
        target_table: Some(table),
        ..
    }) = destination
    else {
        return Ok(Abilities::default());
    };
    let (names, types): (Vec<_>, Vec<_>) = PLACE_COLUMNS.into_iter().unzip();
    let found = statement(&Sql::from(FOUND))
        .bind(schema.clone())
        .bind(table.clone())
        .bind(names)
        .bind(types);
    let found = found.one_on(database).await?;
    let columns: i64 = found.try_get(0)?;
    let copied_as: Option<String> = found.try_get(1)?;
    Ok(Abilities {
        has_places: usize::try_from(columns) == Ok(PLACE_COLUMNS.len()),
        format: copied_as.and_then(|vector_type| VectorFormat::of(&vector_type)),
        vector_type: found.try_get(2)?,
    })
}
