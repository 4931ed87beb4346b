//! `/articles`: writing and reading them. The vectorizer's triggers see to the rest.

use axum::{
    Json,
    extract::{
        Path, State,
        rejection::{JsonRejection, PathRejection},
    },
    http::{StatusCode, header},
    response::IntoResponse,
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set, Unchanged},
    DbErr, EntityTrait,
};
use serde::Deserialize;

use crate::{
    article::{ActiveModel, Entity, Model},
    problem::Problem,
    service::App,
};

/// The most characters of a title and of a body.
const TITLE: usize = 200;
const BODY: usize = 20_000;
/// The most bytes of a request: a body of `BODY` characters with each of them escaped.
pub(crate) const REQUEST: usize = 256 * 1024;

/// An article as a client writes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Draft {
    title: String,
    body: String,
}

impl Draft {
    /// Its title and body, if they can be stored.
    fn checked(self) -> Result<(String, String), Problem> {
        let refuse = |detail: String| Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
        for (name, text, most) in [("title", &self.title, TITLE), ("body", &self.body, BODY)] {
            let length = text.chars().count();
            if text.trim().is_empty() {
                return refuse(format!("the {name} is empty"));
            }
            if length > most {
                return refuse(format!("the {name} has {length} characters, {most} are the most"));
            }
            if text.contains('\0') {
                return refuse(format!(
                    "the {name} has a NUL character, which PostgreSQL does not store"
                ));
            }
        }
        if self.title.chars().any(char::is_control) {
            return refuse("the title is more than one line".to_owned());
        }
        Ok((self.title.trim().to_owned(), self.body.trim().to_owned()))
    }
}

type Id = Result<Path<i32>, PathRejection>;
type Body = Result<Json<Draft>, JsonRejection>;

/// `POST /articles`
pub(crate) async fn create(State(app): State<App>, draft: Body) -> Result<impl IntoResponse, Problem> {
    let (title, body) = draft?.0.checked()?;
    let article = ActiveModel {
        id: NotSet,
        title: Set(title),
        body: Set(body),
    };
    let article = article.insert(&app.db).await?;
    let location = [(header::LOCATION, format!("/articles/{}", article.id))];
    Ok((StatusCode::CREATED, location, Json(article)))
}

/// `GET /articles/{id}`
pub(crate) async fn read(State(app): State<App>, id: Id) -> Result<Json<Model>, Problem> {
    let id = id?.0;
    let article = Entity::find_by_id(id).one(&app.db).await?;
    article.map(Json).ok_or_else(|| missing(id))
}

/// `PUT /articles/{id}`
pub(crate) async fn replace(State(app): State<App>, id: Id, draft: Body) -> Result<Json<Model>, Problem> {
    let id = id?.0;
    let (title, body) = draft?.0.checked()?;
    let article = ActiveModel {
        id: Unchanged(id),
        title: Set(title),
        body: Set(body),
    };
    match article.update(&app.db).await {
        Ok(article) => Ok(Json(article)),
        Err(DbErr::RecordNotUpdated) => Err(missing(id)),
        Err(error) => Err(error.into()),
    }
}

/// `DELETE /articles/{id}`
pub(crate) async fn delete(State(app): State<App>, id: Id) -> Result<StatusCode, Problem> {
    let id = id?.0;
    let deleted = Entity::delete_by_id(id).exec(&app.db).await?;
    if deleted.rows_affected == 0 {
        return Err(missing(id));
    }
    Ok(StatusCode::NO_CONTENT)
}

fn missing(id: i32) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is no article {id}"))
}
