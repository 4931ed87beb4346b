//! The articles that it begins with.

use sea_orm::{ActiveValue::Set, DatabaseConnection, DbErr, EntityTrait, PaginatorTrait};
use serde::Deserialize;

use crate::article;

#[derive(Deserialize)]
struct Articles {
    article: Vec<Article>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Article {
    title: String,
    body: String,
}

/// Inserts the articles of `articles.toml` into a table that has none.
///
/// # Errors
///
/// The database's.
pub async fn articles(db: &DatabaseConnection) -> Result<(), DbErr> {
    if article::Entity::find().count(db).await? > 0 {
        return Ok(());
    }
    let rows = parse()?.into_iter().map(|article| article::ActiveModel {
        title: Set(article.title),
        body: Set(article.body.trim().to_owned()),
        ..Default::default()
    });
    article::Entity::insert_many(rows).exec(db).await?;
    Ok(())
}

fn parse() -> Result<Vec<Article>, DbErr> {
    let articles: Articles = toml::from_str(include_str!("../articles.toml"))
        .map_err(|error| DbErr::Custom(format!("articles.toml is damaged: {error}")))?;
    Ok(articles.article)
}
