//! Shows that the search follows the table. It edits one row, deletes another, and puts both back.

use std::time::Instant;

use pgai_sea::{Embedders, embedder::Local};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseConnection, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter,
};

use crate::{
    answer::{self, Answer, HITS},
    embed,
    entity::{self, Entity, readme_embeddings},
    error::Error,
    print::{Printer, duration},
};

/// What the edited row is about for a while, and a question that finds it.
const DESCRIPTION: &str = "A sourdough bread for beginners";
const README: &str = "Feed the starter with rye flour and water the evening before. Knead, let the dough rise until \
                      it has doubled, shape a loaf, and bake it in a very hot oven until the crust is dark.";
const QUESTION: &str = "bake a loaf of bread";

/// Edits the first answer to `question`, deletes the second, and puts them back.
pub(crate) async fn follow(
    db: &DatabaseConnection,
    model: &Local,
    embedders: &Embedders,
    question: &str,
    printer: &Printer,
) -> Result<(), Error> {
    let before = answer::ask(db, embedders, question, HITS).await?;
    let mut hits = before.hits.iter().map(|hit| hit.crate_.clone());
    let Some(edited) = hits.next() else {
        return Ok(());
    };
    let deleted = hits.next();
    printer.heading("The search follows the table");
    printer.note(&names(&before));

    let start = Instant::now();
    edit(db, edited.clone()).await?;
    embed::catch_up(db, model).await?;
    let took = start.elapsed();
    let bread = answer::ask(db, embedders, QUESTION, HITS).await?;
    let after = answer::ask(db, embedders, question, HITS).await?;
    printer.note(&format!(
        "Edited {}: it is about sourdough bread now. Embedded again after {}.",
        edited.name,
        duration(took)
    ));
    printer.note(&(names(&bread) + "\n" + &names(&after)));

    if let Some(deleted) = &deleted {
        let start = Instant::now();
        Entity::delete_by_id(&deleted.name).exec(db).await?;
        embed::catch_up(db, model).await?;
        let took = start.elapsed();
        let left = readme_embeddings::Entity::find()
            .filter(readme_embeddings::Column::Name.eq(&deleted.name))
            .count(db)
            .await?;
        printer.note(&format!(
            "Deleted {}: {left} chunks of it are left after {}.",
            deleted.name,
            duration(took)
        ));
        printer.note(&names(&answer::ask(db, embedders, question, HITS).await?));
    }

    let start = Instant::now();
    edited.into_active_model().reset_all().update(db).await?;
    if let Some(deleted) = deleted {
        Entity::insert(deleted.into_active_model()).exec(db).await?;
    }
    embed::catch_up(db, model).await?;
    let took = start.elapsed();
    printer.note(&format!("Put both back, embedded again after {}.", duration(took)));
    printer.note(&names(&answer::ask(db, embedders, question, HITS).await?));
    Ok(())
}

async fn edit(db: &DatabaseConnection, row: entity::Model) -> Result<(), Error> {
    let mut row = row.into_active_model();
    row.description = Set(DESCRIPTION.to_owned());
    row.readme = Set(README.to_owned());
    row.update(db).await?;
    Ok(())
}

/// An answer on one line, the nearest first.
fn names(answer: &Answer) -> String {
    let names: Vec<_> = answer.hits.iter().map(|hit| hit.crate_.name.as_str()).collect();
    format!("\"{}\" finds {}", answer.question, names.join(", "))
}
