//! Writes the crates to the table. The vectorizer's triggers queue what is new or changed.

use std::{collections::HashMap, fmt};

use sea_orm::{ActiveModelTrait, DatabaseConnection, DbErr, EntityTrait, IntoActiveModel, TransactionTrait};

use crate::entity::{self, Entity};

/// Rows of one `INSERT`: PostgreSQL takes 65,535 parameters.
const ROWS: usize = 500;

/// What was done with the crates that were found.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    new: usize,
    changed: usize,
    same: usize,
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stored {} new crates", self.new)?;
        if self.changed + self.same > 0 {
            write!(f, ", {} changed, {} as they were", self.changed, self.same)?;
        }
        Ok(())
    }
}

/// Inserts crates that are new and updates those that changed.
pub(crate) async fn store(db: &DatabaseConnection, crates: Vec<entity::Model>) -> Result<Stored, DbErr> {
    let known: HashMap<String, entity::Model> = Entity::find()
        .all(db)
        .await?
        .into_iter()
        .map(|row| (row.name.clone(), row))
        .collect();
    let mut stored = Stored::default();
    let mut new = Vec::new();
    let transaction = db.begin().await?;
    for found in crates {
        match known.get(&found.name) {
            Some(row) if *row == found => stored.same += 1,
            Some(_) => {
                found.into_active_model().reset_all().update(&transaction).await?;
                stored.changed += 1;
            }
            None => new.push(found.into_active_model()),
        }
    }
    stored.new = new.len();
    for rows in new.chunks(ROWS) {
        Entity::insert_many(rows.to_vec()).exec(&transaction).await?;
    }
    transaction.commit().await?;
    Ok(stored)
}
