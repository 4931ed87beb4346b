//! Entities that are sent over the wire.

/// A table whose rows, with their embeddings, are JSON.
pub mod question {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;
    use serde::{Deserialize, Serialize};

    /// A question.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    #[sea_orm(table_name = "questions")]
    pub struct Model {
        /// The key.
        #[sea_orm(primary_key)]
        #[serde(default)]
        pub id: i32,
        /// The text.
        #[serde(rename = "text")]
        #[vectorizer(dimensions = 3, derives(Serialize, serde::Deserialize))]
        pub body: String,
        /// Its embeddings.
        #[sea_orm(has_many)]
        pub body_embeddings: HasMany<body_embeddings::Entity>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

use question::body_embeddings;

fn json<T: serde::Serialize + serde::de::DeserializeOwned>() {}

#[test]
fn rows_go_with_their_embeddings() {
    json::<question::Model>();
    json::<question::ModelEx>();
    json::<body_embeddings::Model>();
    json::<body_embeddings::ModelEx>();
}
