//! What could not be read, and how much is still to be read.

use std::path::Path;

use pgai_sea::catalog::entities::vectorizer_status;
use pgai_sea::catalog::{self, CatalogError};
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, PaginatorTrait, QueryFilter};

use crate::document;
use crate::migration::VECTORIZER;

/// The most that are named.
const SHOWN: u64 = 20;

/// How far the library is.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) documents: u64,
    pub(crate) waiting: u64,
    pub(crate) failures: Vec<Failure>,
}

/// A document that could not be read.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) name: String,
    pub(crate) reason: String,
}

impl State {
    pub(crate) async fn read(db: &DatabaseConnection, folder: &Path) -> Result<Self, CatalogError> {
        let documents = document::Entity::find().count(db).await?;
        let status = vectorizer_status::Entity::find()
            .filter(vectorizer_status::Column::Name.eq(VECTORIZER))
            .one(db)
            .await?;
        let mut failures = Vec::new();
        for row in catalog::failed(db, VECTORIZER, SHOWN).await? {
            let id = row.key.get("id").and_then(|id| id.as_str()?.parse().ok());
            let document = match id {
                Some(id) => document::Entity::find_by_id::<i32>(id).one(db).await?,
                None => None,
            };
            if let Some(document) = document {
                failures.push(Failure {
                    name: name(&document.address, folder),
                    reason: row.reason.unwrap_or(row.step),
                });
            }
        }
        failures.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self {
            documents,
            waiting: status
                .and_then(|status| status.pending_items)
                .unwrap_or(0)
                .unsigned_abs(),
            failures,
        })
    }
}

/// What a document is called: its path in the folder.
pub(crate) fn name(address: &str, folder: &Path) -> String {
    let below = Path::new(address).strip_prefix(folder).ok().and_then(Path::to_str);
    below.unwrap_or(address).to_owned()
}
