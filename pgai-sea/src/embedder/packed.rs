//! Vectors packed as OpenAI's own clients have them sent: the numbers' four bytes each, in base64, a third of what they are as JSON
//! and far less work to read.

use std::fmt;
use std::sync::{Arc, OnceLock};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::EmbedError;

/// A vector, however it was sent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Numbers(pub(super) Vec<f32>);

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Sent)
    }
}

struct Sent;

impl<'de> Visitor<'de> for Sent {
    type Value = Numbers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of numbers, or 32-bit floats in base64")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Numbers, A::Error> {
        let mut numbers = Vec::with_capacity(list.size_hint().unwrap_or(512));
        while let Some(number) = list.next_element()? {
            numbers.push(number);
        }
        Ok(Numbers(numbers))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Numbers, E> {
        let bytes = STANDARD
            .decode(text)
            .map_err(|error| E::custom(format_args!("no base64: {error}")))?;
        let (numbers, rest) = bytes.as_chunks();
        if !rest.is_empty() {
            return Err(E::custom(format_args!("{} bytes are no 32-bit floats", bytes.len())));
        }
        Ok(Numbers(numbers.iter().copied().map(f32::from_le_bytes).collect()))
    }
}

/// Whether a server is asked for packed vectors. OpenAI sends them, and so do most that speak its API, or they send numbers all the
/// same; some refuse whoever asks. Which it is shows with the first texts; clones know it together.
#[derive(Clone, Debug, Default)]
pub(super) struct Packing(Arc<OnceLock<bool>>);

impl Packing {
    pub(super) fn is_asked_for(&self) -> bool {
        self.0.get() != Some(&false)
    }

    /// Remembers what the first answer with vectors shows.
    pub(super) fn learn(&self, works: bool) {
        if self.0.set(works).is_ok() && !works {
            tracing::debug!("vectors come as JSON numbers: the server refuses `encoding_format`");
        }
    }

    /// Whether `error`, the answer to a request for packed vectors, may be due to that: no such request was ever answered with vectors.
    pub(super) fn may_be_why(&self, error: &EmbedError) -> bool {
        self.0.get().is_none()
            && match error {
                EmbedError::Refused { .. } | EmbedError::Answer { .. } => true,
                EmbedError::Unavailable { status, .. } => matches!(status, 500 | 501),
                EmbedError::Configuration { message, .. } => message.contains("encoding_format"),
                EmbedError::Unreachable { .. } | EmbedError::Failed { .. } => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(json: &str) -> Result<Vec<f32>, String> {
        let numbers: Result<Numbers, _> = serde_json::from_str(json);
        numbers.map(|numbers| numbers.0).map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_and_packed_numbers_are_the_same() {
        let vector = vec![0.5, -1.25, f32::MIN_POSITIVE, 3.0e8];
        let bytes: Vec<u8> = vector.iter().flat_map(|number: &f32| number.to_le_bytes()).collect();
        let packed = format!("\"{}\"", STANDARD.encode(bytes));
        assert_eq!(numbers(&packed), Ok(vector.clone()));
        assert_eq!(numbers(&serde_json::to_string(&vector).unwrap()), Ok(vector));
        assert_eq!(numbers("\"\""), Ok(Vec::new()));
    }

    #[test]
    fn what_is_neither_is_refused() {
        assert!(
            numbers("\"AAAA\"")
                .unwrap_err()
                .contains("3 bytes are no 32-bit floats")
        );
        assert!(numbers("\"no base64\"").unwrap_err().contains("no base64"));
        assert!(numbers("{}").unwrap_err().contains("a list of numbers"));
        assert!(numbers("[\"1\"]").is_err());
    }

    #[test]
    fn what_was_learned_stays() {
        let refusal = EmbedError::Refused {
            provider: "openai",
            status: 400,
            message: "too long".to_owned(),
        };
        let packing = Packing::default();
        assert!(packing.is_asked_for() && packing.may_be_why(&refusal));
        packing.clone().learn(true);
        packing.learn(false);
        assert!(packing.is_asked_for() && !packing.may_be_why(&refusal));
        let packing = Packing::default();
        packing.learn(false);
        assert!(!packing.is_asked_for() && !packing.may_be_why(&refusal));
    }
}
