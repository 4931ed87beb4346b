//! [`Cassette`]: a real provider's vectors, recorded once.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::failure::refused;
use crate::embedder::{EmbedError, Embedder, Embeddings, InputType, RequestLimits};

/// The variable that turns recording on.
const RECORD: &str = "PGAI_SEA_RECORD";

/// Plays back the vectors of a real provider, from a file that you keep beside your tests.
///
/// Run the tests once with `PGAI_SEA_RECORD=1`. Texts that the file does not have are then embedded by the provider and
/// written to the file. Without that variable nothing leaves the machine, and a text that the file does not have is
/// refused. To record all anew, for another model, delete the file first.
///
/// ```no_run
/// # async fn f(db: sea_orm::DatabaseConnection) -> Result<(), Box<dyn std::error::Error>> {
/// # #[cfg(feature = "embedder")] {
/// use pgai_sea::embedder::OpenAi;
/// use pgai_sea::testing::{Cassette, embed_all};
///
/// let provider = || OpenAi::from_env("text-embedding-3-small", 768);
/// let embedder = Cassette::open("tests/cassettes/search.jsonl", provider)?;
/// embed_all(&db, &embedder).await?;
/// # }
/// # Ok(())
/// # }
/// ```
///
/// The file has one JSON object a line: `input_type`, `text`, `vector`. It is ordered, so that a change shows in its
/// diff.
#[derive(Clone)]
pub struct Cassette {
    path: Arc<Path>,
    tape: Arc<Mutex<Tape>>,
    /// Embeds what is missing, while recording.
    provider: Option<Arc<dyn Embedder>>,
}

/// Why a [`Cassette`] could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CassetteError {
    /// The file is missing or cannot be read.
    #[error("the cassette {} cannot be read: {source}; run the test with {RECORD}=1 to record it", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line of the file is not a recorded text.
    #[error("line {line} of the cassette {} is not a recorded text: {source}; mend or delete it", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// A text, and what it was embedded for.
type Asked = (Kind, String);

/// The recorded vectors.
type Tape = BTreeMap<Asked, Vec<f32>>;

/// [`InputType`] as the file has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Document,
    Query,
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Line {
    input_type: Kind,
    text: String,
    vector: Vec<f32>,
}

impl Cassette {
    /// Opens a recording. `provider` is called only if `PGAI_SEA_RECORD` is set to something but `0`.
    ///
    /// # Errors
    ///
    /// The file is missing and nothing is to be recorded, or the file is damaged.
    pub fn open<E: Embedder + 'static>(
        path: impl Into<PathBuf>,
        provider: impl FnOnce() -> E,
    ) -> Result<Self, CassetteError> {
        let records = std::env::var_os(RECORD).is_some_and(|value| !value.is_empty() && value != "0");
        Self::with(path.into(), records.then_some(provider))
    }

    fn with<E: Embedder + 'static>(path: PathBuf, provider: Option<impl FnOnce() -> E>) -> Result<Self, CassetteError> {
        let tape = match std::fs::read_to_string(&path) {
            Ok(text) => read(&path, &text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound && provider.is_some() => Tape::new(),
            Err(source) => return Err(CassetteError::Read { path, source }),
        };
        let provider = provider.map(|provider| Arc::new(provider()) as Arc<dyn Embedder>);
        Ok(Self {
            path: path.into(),
            tape: Arc::new(Mutex::new(tape)),
            provider,
        })
    }

    fn tape(&self) -> std::sync::MutexGuard<'_, Tape> {
        self.tape.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Embeds texts that are not recorded, and records them.
    async fn record(&self, missing: &[&str], input_type: InputType) -> Result<(), EmbedError> {
        let Some(provider) = &self.provider else {
            return Err(refused(format!(
                "{} has no vector of `{}`: run the test with {RECORD}=1 to record it",
                self.path.display(),
                missing.first().copied().unwrap_or_default()
            )));
        };
        let vectors = provider.embed(missing, input_type).await?.vectors;
        let asked = missing.iter().map(|text| (kind(input_type), (*text).to_owned()));
        let recorded: Tape = asked.zip(vectors).collect();
        write(&self.path, &recorded).map_err(|error| EmbedError::Failed {
            provider: "the cassette",
            source: format!("{} cannot be written: {error}", self.path.display()).into(),
        })?;
        self.tape().extend(recorded);
        Ok(())
    }
}

#[async_trait]
impl Embedder for Cassette {
    async fn embed(&self, texts: &[&str], input_type: InputType) -> Result<Embeddings, EmbedError> {
        let kind = kind(input_type);
        let asked: Vec<Asked> = texts.iter().map(|text| (kind, (*text).to_owned())).collect();
        let missing: Vec<&str> = {
            let tape = self.tape();
            texts
                .iter()
                .zip(&asked)
                .filter(|(_, asked)| !tape.contains_key(*asked))
                .map(|(text, _)| *text)
                .collect()
        };
        if !missing.is_empty() {
            self.record(&missing, input_type).await?;
        }
        let tape = self.tape();
        let vectors: Vec<_> = asked.iter().filter_map(|asked| tape.get(asked).cloned()).collect();
        Ok(vectors.into())
    }

    fn limits(&self) -> RequestLimits {
        self.provider
            .as_ref()
            .map_or_else(RequestLimits::default, |provider| provider.limits())
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.provider
            .as_ref()
            .map_or_else(|| text.len().div_ceil(4), |provider| provider.count_tokens(text))
    }
}

impl fmt::Debug for Cassette {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cassette")
            .field("path", &self.path)
            .field("recorded", &self.tape().len())
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

fn kind(input_type: InputType) -> Kind {
    match input_type {
        InputType::Document => Kind::Document,
        InputType::Query => Kind::Query,
    }
}

fn read(path: &Path, text: &str) -> Result<Tape, CassetteError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| match serde_json::from_str::<Line>(line) {
            Ok(line) => Ok(((line.input_type, line.text), line.vector)),
            Err(source) => Err(CassetteError::Line {
                path: path.to_owned(),
                line: number + 1,
                source,
            }),
        })
        .collect()
}

/// Adds to the file. Other tests may record into it at the same time, so it is read again under a lock.
fn write(path: &Path, recorded: &Tape) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    file.lock()?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let mut tape = read(path, &text).map_err(io::Error::other)?;
    tape.extend(recorded.iter().map(|(asked, vector)| (asked.clone(), vector.clone())));
    let mut text = String::new();
    for ((input_type, chunk), vector) in tape {
        let line = Line {
            input_type,
            text: chunk,
            vector,
        };
        text.push_str(&serde_json::to_string(&line)?);
        text.push('\n');
    }
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeEmbedder;

    type Provider = fn() -> FakeEmbedder;
    const NONE: Option<Provider> = None;

    #[tokio::test]
    async fn what_was_recorded_is_played_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/search.jsonl");
        let error = Cassette::with(path.clone(), NONE).unwrap_err().to_string();
        assert!(error.contains("PGAI_SEA_RECORD=1"), "{error}");

        let provider = FakeEmbedder::new(3);
        let recording = Cassette::with(path.clone(), Some(|| provider.clone())).unwrap();
        recording
            .embed(&["b", "a\n\"x\"", "b"], InputType::Document)
            .await
            .unwrap();
        let asked = recording.embed(&["b", "c"], InputType::Document).await.unwrap();
        assert_eq!(asked.vectors, [provider.vector("b"), provider.vector("c")]);
        assert_eq!(
            provider.requests()[1].texts,
            ["c"],
            "what is recorded is not asked again"
        );
        recording.embed_query("b").await.unwrap();

        let played = Cassette::with(path.clone(), NONE).unwrap();
        let vectors = played
            .embed(&["c", "a\n\"x\"", "c"], InputType::Document)
            .await
            .unwrap()
            .vectors;
        assert_eq!(vectors, ["c", "a\n\"x\"", "c"].map(|text| provider.vector(text)));
        let error = played.embed_query("c").await.unwrap_err().to_string();
        assert!(error.contains("has no vector of `c`"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 4);
    }

    #[tokio::test]
    async fn two_recorders_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("search.jsonl");
        let provider = || FakeEmbedder::new(3);
        let (a, b) = (
            Cassette::with(path.clone(), Some(provider)).unwrap(),
            Cassette::with(path.clone(), Some(provider)).unwrap(),
        );
        a.embed_query("a").await.unwrap();
        b.embed_query("b").await.unwrap();
        let played = Cassette::with(path, NONE).unwrap();
        assert!(played.embed(&["a", "b"], InputType::Query).await.is_ok());
    }

    #[test]
    fn a_damaged_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("search.jsonl");
        std::fs::write(&path, "\n{\"text\":").unwrap();
        let error = Cassette::with(path, NONE).unwrap_err().to_string();
        assert!(error.starts_with("line 2 of the cassette"), "{error}");
    }
}
