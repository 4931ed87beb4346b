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
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_catalog.pg_type t on t.oid = a.atttypid
where n.nspname = $1 and c.relname = $2";

/// Whether it has the columns, and in which format vectors are copied, if chunks may be copied.
pub(super) async fn abilities(
    database: &Database,
    destination: &Destination,
) -> Result<(bool, Option<VectorFormat>), DatabaseError> {
    let Destination::Table(DestinationTable {
        target_schema: Some(schema),
        target_table: Some(table),
        ..
    }) = destination
    else {
        return Ok((false, None));
    };
    let (names, types): (Vec<_>, Vec<_>) = PLACE_COLUMNS.into_iter().unzip();
    let found = statement(&Sql::from(FOUND))
        .bind(schema.clone())
        .bind(table.clone())
        .bind(names)
        .bind(types);
    let found = found.one_on(database).await?;
    let columns: i64 = found.try_get(0)?;
    let vector_type: Option<String> = found.try_get(1)?;
    Ok((
        usize::try_from(columns) == Ok(PLACE_COLUMNS.len()),
        vector_type.and_then(|vector_type| VectorFormat::of(&vector_type)),
    ))
}
