//! Whether the vectorizer's tables are in a schema that Citus distributes.

use sea_orm::sqlx::Row as _;

use crate::worker::connection::{Database, On as _};
use crate::worker::database_error::DatabaseError;
use crate::worker::queue::key_sql::{Sql, statement};

const HAS_CITUS: &str = "select to_regclass('pg_catalog.pg_dist_schema') is not null";
const IS_TENANT: &str = "select exists (select 1 from pg_catalog.pg_dist_schema d join pg_catalog.pg_namespace n \
                         on n.oid = d.schemaid where n.nspname = $1)";

pub(super) async fn is_tenant(pool: &Database, queue_schema: Option<&str>) -> Result<bool, DatabaseError> {
    let Some(schema) = queue_schema else { return Ok(false) };
    let has_citus = statement(&Sql::from(HAS_CITUS)).one_on(pool).await?;
    if !has_citus.try_get(0)? {
        return Ok(false);
    }
    let is_tenant = statement(&Sql::from(IS_TENANT)).bind(schema.to_owned());
    Ok(is_tenant.one_on(pool).await?.try_get(0)?)
}
