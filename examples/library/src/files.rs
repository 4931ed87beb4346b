//! `GET /documents/{id}`: the document itself.

use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sea_orm::EntityTrait;

use crate::document;
use crate::service::Library;

/// A browser shows a PDF, and stores anything else: a stranger's HTML is not to run as a page of this service.
pub(crate) async fn file(State(library): State<Library>, Path(id): Path<i32>) -> Response {
    let found = match document::Entity::find_by_id(id).one(&library.db).await {
        Ok(found) => found,
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a document cannot be looked up"
            );
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    let bytes = match &found {
        Some(document) => read(&library, &document.address).await,
        None => None,
    };
    let Some(bytes) = bytes else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let is_pdf = bytes.starts_with(b"%PDF-");
    let (kind, disposition) = if is_pdf {
        ("application/pdf", "inline")
    } else {
        ("application/octet-stream", "attachment")
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static(disposition)),
    ];
    (headers, bytes).into_response()
}

/// A file that is in the folder now, wherever a link leads.
async fn read(library: &Library, address: &str) -> Option<Vec<u8>> {
    let file = tokio::fs::canonicalize(address).await.ok()?;
    if !file.starts_with(&library.folder) {
        return None;
    }
    tokio::fs::read(file).await.ok()
}
