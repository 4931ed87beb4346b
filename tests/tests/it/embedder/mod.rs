//! The embedders: over HTTP against servers that answer as the test says, and in this process against vectors that
//! sentence-transformers computed.

pub(crate) mod answers;
pub(crate) mod families;
mod hostile;
mod hub;
mod litellm;
mod local;
mod ollama;
mod openai;
mod voyage;

use pgai_sea::embedder::{EmbedError, Embedder, InputType};

async fn embed(embedder: &dyn Embedder, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
    Ok(embedder.embed(texts, InputType::Document).await?.vectors)
}

/// A request's body.
fn body(request: &str) -> serde_json::Value {
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

/// Everything that an error shows anywhere.
fn everything(error: &(dyn std::error::Error + 'static)) -> String {
    let mut shown = format!("{error} {error:?}");
    if let Some(source) = error.source() {
        shown += &everything(source);
    }
    shown
}
