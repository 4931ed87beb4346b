//! Whether a store says where its chunks are: it has the columns for it.

use sea_orm::sqlx::Row as _;

use crate::config::{Destination, DestinationTable};
use crate::entity::PLACE_COLUMNS;
use crate::worker::connection::{Database, On as _};
use crate::worker::database_error::DatabaseError;
use crate::worker::queue::key_sql::{Sql, statement};

const FOUND: &str = "
select count(*)
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_catalog.pg_type t on t.oid = a.atttypid
where n.nspname = $1 and c.relname = $2 and (a.attname::text, t.typname::text) in
(select * from unnest($3::text[], $4::text[]))";

pub(super) async fn has_places(database: &Database, destination: &Destination) -> Result<bool, DatabaseError> {
    let Destination::Table(DestinationTable {
        target_schema: Some(schema),
        target_table: Some(table),
        ..
    }) = destination
    else {
        return Ok(false);
    };
    let (names, types): (Vec<_>, Vec<_>) = PLACE_COLUMNS.into_iter().unzip();
    let found = statement(&Sql::from(FOUND))
        .bind(schema.clone())
        .bind(table.clone())
        .bind(names)
        .bind(types);
    let found: i64 = found.one_on(database).await?.try_get(0)?;
    Ok(usize::try_from(found) == Ok(PLACE_COLUMNS.len()))
}
