//! Vectors in base64: four bytes a number, a third of the size of JSON numbers and much faster to read. OpenAI's own
//! clients ask for them too.

use std::fmt;
use std::sync::{Arc, OnceLock};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use crate::embedder::EmbedError;

/// A vector, sent as a list of numbers or in base64.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Numbers(pub(crate) Vec<f32>);

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

/// Whether to ask a server for packed vectors. OpenAI and most compatible servers send them. Some ignore the request
/// and send numbers. Some refuse it. The first response tells, and clones share what it told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packing(Arc<OnceLock<bool>>);

impl Packing {
    pub(crate) fn is_asked_for(&self) -> bool {
        self.0.get() != Some(&false)
    }

    /// Remembers what the first response with vectors tells.
    pub(crate) fn learn(&self, works: bool) {
        if self.0.set(works).is_ok() && !works {
            tracing::debug!("the server refuses `encoding_format`: asking for vectors as JSON numbers");
        }
    }

    /// Whether a request may have failed with `error` because it asked for packed vectors: none that did has succeeded
    /// yet.
    pub(crate) fn may_be_why(&self, error: &EmbedError) -> bool {
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
