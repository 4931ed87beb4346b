//! pgai's own schema, the second catalog that everything is tested on.

use std::fs;

use crate::place::parts_dir;
use crate::wheel::PGAI;
use crate::{Error, Result};

/// The SQL that installs pgai 0.12.1's `ai` schema, as `pgai install` runs it: for a database that has the extension
/// `vector` in the schema `public`, in one transaction, as its owner.
///
/// # Errors
///
/// About fetching the wheel that holds it.
pub fn pgai_schema_sql() -> Result<String> {
    let file = PGAI.unpacked(&parts_dir()?)?.join("pgai/data/ai.sql");
    let mut sql = fs::read_to_string(&file).map_err(Error::io("read", &file))?;
    for (placeholder, value) in [("@extschema:vector@", "public"), ("__version__", PGAI.version)] {
        if !sql.contains(placeholder) {
            return Err(Error::Schema { file, placeholder });
        }
        sql = sql.replace(placeholder, value);
    }
    Ok(sql)
}
