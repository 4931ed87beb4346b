//! Vectors that a provider's batch gave, by their texts' names.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{PoisonError, RwLock};

use sha2::{Digest as _, Sha256};

/// The beginning of a text's SHA-256. No two texts have the same.
type Name = [u8; 16];

/// Vectors of texts that need not be sent to the provider.
#[derive(Debug, Default)]
pub(crate) struct GivenVectors(RwLock<HashMap<Name, Vec<f32>>>);

/// What a text is called in a batch.
pub(crate) fn name(text: &str) -> String {
    let mut name = String::with_capacity(32);
    for byte in bytes(text) {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

fn bytes(text: &str) -> Name {
    let mut name = Name::default();
    name.copy_from_slice(&Sha256::digest(text.as_bytes())[..16]);
    name
}

impl GivenVectors {
    /// Keeps the vector of the text that is called so. Returns `false` if no text is.
    pub(crate) fn keep(&self, name: &str, vector: Vec<f32>) -> bool {
        let Ok(name) = u128::from_str_radix(name, 16) else {
            return false;
        };
        let mut vectors = self.0.write().unwrap_or_else(PoisonError::into_inner);
        vectors.insert(name.to_be_bytes(), vector);
        true
    }

    /// Adds the vectors of `texts` that have none yet.
    pub(crate) fn add(&self, texts: &[String], vectors: &mut [Option<Vec<f32>>]) {
        let given = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if given.is_empty() {
            return;
        }
        for (text, vector) in texts.iter().zip(vectors) {
            if vector.is_none() {
                *vector = given.get(&bytes(text)).cloned();
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Forgets all of them.
    pub(crate) fn clear(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = HashMap::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_by_its_name() {
        let given = GivenVectors::default();
        assert!(given.keep(&name("a text"), vec![1.0]) && !given.keep("another name", vec![2.0]));
        let mut vectors = [None, None, Some(vec![3.0])];
        given.add(&["a text".into(), "other".into(), "a text".into()], &mut vectors);
        assert_eq!(vectors, [Some(vec![1.0]), None, Some(vec![3.0])]);
        assert_eq!((name("").len(), given.len()), (32, 1));
        given.clear();
        assert_eq!(given.len(), 0);
    }
}
