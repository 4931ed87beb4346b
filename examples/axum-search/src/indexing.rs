//! How far the worker is.

use pgai_sea::catalog::entities::vectorizer_status;
use sea_orm::{ColumnTrait, DatabaseConnection, DbErr, EntityTrait, PaginatorTrait, QueryFilter};
use serde::Serialize;

use crate::{article, migration::VECTORIZER};

/// How many of the articles are found by their present text.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Indexing {
    pub(crate) articles: u64,
    pub(crate) indexed: u64,
}

impl Indexing {
    pub(crate) async fn read(db: &DatabaseConnection) -> Result<Self, DbErr> {
        let articles = article::Entity::find().count(db).await?;
        let status = vectorizer_status::Entity::find()
            .filter(vectorizer_status::Column::Name.eq(VECTORIZER))
            .one(db)
            .await?;
        // more than there are articles while one was edited twice
        let waiting = status.and_then(|status| status.pending_items).unwrap_or(0);
        Ok(Self {
            articles,
            indexed: articles.saturating_sub(waiting.unsigned_abs()),
        })
    }

    pub(crate) fn is_complete(self) -> bool {
        self.indexed == self.articles
    }
}
