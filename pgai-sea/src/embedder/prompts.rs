//! What a model wants to read before a text.

use std::borrow::Cow;

use async_trait::async_trait;

use super::{EmbedError, Embedder, Embeddings, InputType, RequestLimits, ServerAddress};

/// What a model wants to read before the text of a search and before a chunk: `query: ` and `passage: ` for E5. A model
/// that was trained with prompts finds less without them.
///
/// [`Local`](super::Local) takes them from the model's own files. Servers such as Ollama add none. [`Prompted`] does,
/// in front of any embedder:
///
/// ```
/// use pgai_sea::embedder::{Prompted, Prompts};
/// # use pgai_sea::testing::FakeEmbedder as Ollama;
///
/// let embedder = Prompted::new(Ollama::new(768), Prompts::NOMIC);
/// # let _ = embedder;
/// ```
///
/// The prompt of documents is part of what is stored. Where pgai's own worker embeds for the same vectorizer, it adds
/// none: then write that prompt into the vectorizer's template (`Formatting::python_template("passage: $chunk")`),
/// which both workers follow, and give the embedder the prompt of queries alone ([`queries_only`](Self::queries_only)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prompts {
    query: Cow<'static, str>,
    document: Cow<'static, str>,
}

impl Prompts {
    /// Of the E5 models.
    pub const E5: Self = Self::constant("query: ", "passage: ");
    /// Of the English BGE models and of mxbai-embed: documents have none.
    pub const BGE: Self = Self::constant("Represent this sentence for searching relevant passages: ", "");
    /// Of nomic-embed-text.
    pub const NOMIC: Self = Self::constant("search_query: ", "search_document: ");

    const fn constant(query: &'static str, document: &'static str) -> Self {
        Self {
            query: Cow::Borrowed(query),
            document: Cow::Borrowed(document),
        }
    }

    /// These texts, with the space at their end.
    pub fn new(query: impl Into<Cow<'static, str>>, document: impl Into<Cow<'static, str>>) -> Self {
        Self {
            query: query.into(),
            document: document.into(),
        }
    }

    /// None.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The prompt of queries, and none for documents.
    #[must_use]
    pub fn queries_only(self) -> Self {
        Self {
            query: self.query,
            document: Cow::Borrowed(""),
        }
    }

    /// The prompt for texts of this kind.
    #[must_use]
    pub fn before(&self, input_type: InputType) -> &str {
        match input_type {
            InputType::Query => &self.query,
            InputType::Document => &self.document,
        }
    }

    /// The texts with their prompt.
    pub(super) fn with<'t>(&self, texts: &[&'t str], input_type: InputType) -> Vec<Cow<'t, str>> {
        let prompt = self.before(input_type);
        let prompted = |text: &&'t str| match prompt {
            "" => Cow::Borrowed(*text),
            prompt => Cow::Owned(format!("{prompt}{text}")),
        };
        texts.iter().map(prompted).collect()
    }
}

/// An embedder that puts [`Prompts`] before each text.
#[derive(Clone, Debug)]
pub struct Prompted<E> {
    embedder: E,
    prompts: Prompts,
}

impl<E: Embedder> Prompted<E> {
    /// `embedder`, with these prompts.
    pub fn new(embedder: E, prompts: Prompts) -> Self {
        Self { embedder, prompts }
    }
}

#[async_trait]
impl<E: Embedder> Embedder for Prompted<E> {
    async fn embed(&self, texts: &[&str], input_type: InputType) -> Result<Embeddings, EmbedError> {
        let texts = self.prompts.with(texts, input_type);
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        self.embedder.embed(&texts, input_type).await
    }

    fn limits(&self) -> RequestLimits {
        self.embedder.limits()
    }

    fn default_concurrency(&self) -> usize {
        self.embedder.default_concurrency()
    }

    fn count_tokens(&self, text: &str) -> usize {
        let prompt = self.prompts.before(InputType::Document);
        self.embedder.count_tokens(prompt) + self.embedder.count_tokens(text)
    }

    fn server(&self) -> Option<ServerAddress> {
        self.embedder.server()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the length of each text.
    #[derive(Debug)]
    struct Lengths;

    #[async_trait]
    impl Embedder for Lengths {
        async fn embed(&self, texts: &[&str], _: InputType) -> Result<Embeddings, EmbedError> {
            #[allow(clippy::cast_precision_loss, reason = "short texts")]
            let length = |text: &&str| vec![text.len() as f32];
            Ok(Embeddings::new(texts.iter().map(length).collect()))
        }
    }

    #[tokio::test]
    async fn each_kind_of_text_has_its_prompt() {
        let e5 = Prompted::new(Lengths, Prompts::E5);
        assert_eq!(e5.embed_query("four").await.unwrap(), [11.0]);
        let documents = e5.embed(&["four", ""], InputType::Document).await.unwrap();
        assert_eq!(documents.vectors, [[13.0], [9.0]]);
        let bge = Prompted::new(Lengths, Prompts::E5.queries_only());
        assert_eq!(bge.embed_query("four").await.unwrap(), [11.0]);
        assert_eq!(
            bge.embed(&["four"], InputType::Document).await.unwrap().vectors,
            [[4.0]]
        );
        assert_eq!((e5.count_tokens("four"), bge.count_tokens("four")), (4, 1));
    }
}
