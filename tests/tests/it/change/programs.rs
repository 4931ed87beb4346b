//! Programs that are compiled from versions of one entity, which a deploy has side by side.

#![allow(
    dead_code,
    missing_debug_implementations,
    reason = "an entity has more than a program uses"
)]

use async_trait::async_trait;
use pgai_sea::Embedders;
use pgai_sea::prelude::*;
use pgai_sea::search::SearchError;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};

/// The text of a hit, and its distance.
pub type Page = Vec<(String, f64)>;

/// What a program does with its entity. Its attribute says `embedding`, so its vectors are of that model.
#[async_trait]
pub trait Program: Send + Sync {
    /// The model that the entity declares, and its length.
    fn model(&self) -> (&'static str, usize);
    /// Searches with the model that answers.
    async fn by_text(&self, embedders: &Embedders, text: &str) -> Result<Page, SearchError>;
    /// Searches with the model that answers, by words as well.
    async fn hybrid(&self, embedders: &Embedders, text: &str) -> Result<Page, SearchError>;
    /// Searches with a vector of its own model.
    async fn by_vector(&self, vector: Vec<f32>) -> Result<Page, SearchError>;
    /// Searches for rows like this one.
    async fn like(&self, id: i32) -> Result<Page, SearchError>;
    /// Writes rows as an application does.
    async fn write(&self, round: i32) -> Result<(), DbErr>;
}

macro_rules! program {
    ($name:ident, $model:tt, $dimensions:tt, table) => {
        pub mod $name {
            pub use super::*;

            pub mod post {
                use pgai_sea::Vectorizer;
                use sea_orm::entity::prelude::*;

                #[sea_orm::model]
                #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
                #[sea_orm(table_name = "posts")]
                pub struct Model {
                    #[sea_orm(primary_key, auto_increment = false)]
                    pub id: i32,
                    pub title: String,
                    #[vectorizer(dimensions = $dimensions, embedding = Embedding::ollama($model, $dimensions))]
                    pub body: String,
                }

                impl ActiveModelBehavior for ActiveModel {}
            }

            use self::post::body_embeddings::Entity as Searched;
            program!(@of $model, $dimensions, |hit| hit.embedding.chunk.clone(), FullText::any("number"));
        }
    };
    ($name:ident, $model:tt, $dimensions:tt, column) => {
        pub mod $name {
            pub use super::*;

            pub mod post {
                use pgai_sea::Vectorizer;
                use sea_orm::entity::prelude::*;

                #[sea_orm::model]
                #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
                #[sea_orm(table_name = "posts")]
                pub struct Model {
                    #[sea_orm(primary_key, auto_increment = false)]
                    pub id: i32,
                    pub title: String,
                    pub body: String,
                    // without its length: what was prepared before a cut-over works after it
                    #[sea_orm(select_as = "vector")]
                    #[vectorizer(
                        dimensions = $dimensions,
                        destination = "column",
                        loading = "body",
                        embedding = Embedding::ollama($model, $dimensions)
                    )]
                    pub embedding: Option<PgVector>,
                }

                impl ActiveModelBehavior for ActiveModel {}
            }

            use self::post::Entity as Searched;
            program!(
                @of $model, $dimensions,
                |hit| format!("{}: {}", hit.source.title, hit.source.body),
                FullText::any("number").on_text(post::Column::Body)
            );
        }
    };
    (@of $model:tt, $dimensions:tt, |$hit:ident| $text:expr, $words:expr) => {
        use sea_orm::{ActiveModelTrait as _, ActiveValue::Set, EntityTrait as _};

        /// The program, with its connections.
        pub struct App(pub DatabaseConnection);

        #[async_trait]
        impl Program for App {
            fn model(&self) -> (&'static str, usize) {
                ($model, $dimensions)
            }

            async fn by_text(&self, embedders: &Embedders, text: &str) -> Result<Page, SearchError> {
                let hits = Searched::search_text(embedders, text).limit(5).all(&self.0).await?;
                Ok(hits.iter().map(|$hit| ($text, $hit.distance)).collect())
            }

            async fn hybrid(&self, embedders: &Embedders, text: &str) -> Result<Page, SearchError> {
                let search = Searched::search_text(embedders, text).limit(5).hybrid($words);
                let hits = search.all(&self.0).await?;
                Ok(hits.iter().map(|ranked| &ranked.hit).map(|$hit| ($text, $hit.distance)).collect())
            }

            async fn by_vector(&self, vector: Vec<f32>) -> Result<Page, SearchError> {
                let hits = Searched::search(vector).limit(5).with_vectors().all(&self.0).await?;
                Ok(hits.iter().map(|$hit| ($text, $hit.distance)).collect())
            }

            async fn like(&self, id: i32) -> Result<Page, SearchError> {
                let hits = Searched::search_like(id).limit(5).all(&self.0).await?;
                Ok(hits.iter().map(|$hit| ($text, $hit.distance)).collect())
            }

            async fn write(&self, round: i32) -> Result<(), DbErr> {
                let id = 250 + round % 50;
                let body = Set(format!("edit {round}"));
                let edited = post::ActiveModel { id: Set(id), body, ..Default::default() };
                edited.update(&self.0).await?;
                if round % 5 == 0 {
                    let id = 1_000 + round;
                    #[allow(clippy::needless_update, reason = "a column destination has one field more")]
                    let new = post::ActiveModel {
                        id: Set(id),
                        title: Set("new".into()),
                        body: Set(format!("insert {round}")),
                        ..Default::default()
                    };
                    new.insert(&self.0).await?;
                    let moved = format!("update posts set id = id + 10000 where id = {id}");
                    self.0.execute_unprepared(&moved).await?;
                    post::Entity::delete_by_id(id + 10_000).exec(&self.0).await?;
                }
                Ok(())
            }
        }
    };
}

program!(first, "first", 768, table);
program!(second, "second", 384, table);
program!(third, "third", 384, table);
program!(first_column, "first", 768, column);
program!(second_column, "second", 384, column);
program!(third_column, "third", 384, column);
