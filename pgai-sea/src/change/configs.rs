//! A vectorizer's configuration before a change and after it, on either catalog.

use sea_orm::{ConnectionTrait, DbErr};
use serde_json::Value;

use super::error::ChangeError;
use crate::catalog::CatalogError;
use crate::vectorizer::ChangeVectorizer;

/// What is stored, and what would be.
pub(super) struct Configs {
    pub(super) was: Value,
    pub(super) becomes: Value,
}

impl Configs {
    pub(super) async fn of<C: ConnectionTrait>(
        db: &C,
        change: &ChangeVectorizer,
        vectorizer: i32,
    ) -> Result<Self, ChangeError> {
        let row = db.query_one_raw(change.configs(vectorizer)?).await?;
        let row = row.ok_or_else(|| CatalogError::NotFound(vectorizer.to_string()))?;
        let config = |place| {
            let text: String = row.try_get_by_index(place)?;
            serde_json::from_str(&text).map_err(|error| DbErr::Json(error.to_string()))
        };
        Ok(Self {
            was: config(0)?,
            becomes: config(1)?,
        })
    }
}
