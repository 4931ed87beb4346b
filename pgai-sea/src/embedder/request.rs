//! What an embedder is asked, and what it answers.

/// What a text is embedded for. Asymmetric models (Voyage AI, Cohere) embed documents and queries differently. Other
/// models ignore it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum InputType {
    /// A chunk that is stored and searched.
    #[default]
    Document,
    /// The text of a search.
    Query,
}

/// How much fits into one request. The worker divides its batches accordingly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestLimits {
    /// The most texts in one request.
    pub inputs: usize,
    /// The most tokens in one request, as [`count_tokens`](super::Embedder::count_tokens) counts them. `None`: no
    /// limit.
    pub tokens: Option<usize>,
}

impl RequestLimits {
    /// At most `inputs` texts a request, at least 1. Tokens are not limited.
    #[must_use]
    pub fn inputs(inputs: usize) -> Self {
        Self {
            inputs: inputs.max(1),
            tokens: None,
        }
    }

    /// Limits a request to `tokens` tokens as well.
    #[must_use]
    pub fn tokens(mut self, tokens: usize) -> Self {
        self.tokens = Some(tokens);
        self
    }
}

impl Default for RequestLimits {
    /// 2,048 texts. OpenAI and Ollama accept as many.
    fn default() -> Self {
        Self::inputs(2048)
    }
}

/// The vectors of one request's texts.
///
/// ```
/// use pgai_sea::embedder::Embeddings;
///
/// let embeddings = Embeddings::new(vec![vec![0.0, 1.0]]).input_tokens(3);
/// assert_eq!((embeddings.vectors.len(), embeddings.input_tokens), (1, Some(3)));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Embeddings {
    /// One vector for each text, in the order of the texts.
    pub vectors: Vec<Vec<f32>>,
    /// The tokens that the provider counted in the texts. `None` if it does not say.
    ///
    /// The worker adds them up in its report, in its metrics and in `pgai-sea status`.
    pub input_tokens: Option<u64>,
}

impl Embeddings {
    /// These vectors, one for each text. The number of tokens is not known.
    #[must_use]
    pub fn new(vectors: Vec<Vec<f32>>) -> Self {
        Self {
            vectors,
            input_tokens: None,
        }
    }

    /// Sets the number of tokens that the provider counted in the texts.
    #[must_use]
    pub fn input_tokens(mut self, tokens: u64) -> Self {
        self.input_tokens = Some(tokens);
        self
    }
}

impl From<Vec<Vec<f32>>> for Embeddings {
    fn from(vectors: Vec<Vec<f32>>) -> Self {
        Self::new(vectors)
    }
}

/// The server that an embedder asks. Traces and metrics name it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerAddress {
    /// A name or an IP address, the latter without brackets.
    pub host: String,
    /// The port, if it is known.
    pub port: Option<u16>,
}

impl ServerAddress {
    /// The server at `host` and `port`.
    #[must_use]
    pub fn new(host: impl Into<String>, port: impl Into<Option<u16>>) -> Self {
        Self {
            host: host.into(),
            port: port.into(),
        }
    }
}
