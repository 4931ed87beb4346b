//! The embedders: over HTTP against servers that answer as the test says, and in this process against vectors that
//! sentence-transformers computed.

mod answers;
mod local;
mod ollama;
mod openai;

use pgai_sea::embedder::{EmbedError, Embedder, InputType};

async fn embed(embedder: &dyn Embedder, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
    let texts: Vec<String> = texts.iter().copied().map(str::to_owned).collect();
    embedder.embed(&texts, InputType::Document).await
}

/// Everything that an error shows anywhere.
fn everything(error: &(dyn std::error::Error + 'static)) -> String {
    let mut shown = format!("{error} {error:?}");
    if let Some(source) = error.source() {
        shown += &everything(source);
    }
    shown
}
