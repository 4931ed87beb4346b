//! Vectors that a test can work out for itself.

use crate::Random;

/// The vector of `text` in a model: of length one, the same in every process, and unlike that of any other text. A
/// search for a chunk's own vector finds that chunk at distance 0; how near other texts are says nothing about what
/// they mean.
pub fn embedding_of(model: &str, text: &str, dimensions: usize) -> Vec<f32> {
    let mut random = Random::new(hash(model).rotate_left(1) ^ hash(text));
    let numbers: Vec<f64> = (0..dimensions).map(|_| number(&mut random)).collect();
    let length = numbers.iter().map(|number| number * number).sum::<f64>().sqrt();
    #[expect(clippy::cast_possible_truncation, reason = "pgvector stores 32 bits")]
    numbers.into_iter().map(|number| (number / length) as f32).collect()
}

/// FNV-1a, which unlike the standard library's hash is the same everywhere.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A number from -1 to 1.
fn number(random: &mut Random) -> f64 {
    let half = (random.bits() >> 32) as u32;
    f64::from(half) / f64::from(u32::MAX) * 2.0 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_vector_of_length_one_and_another_text_another() {
        let vector = embedding_of("m", "a text", 384);
        assert_eq!(vector, embedding_of("m", "a text", 384));
        assert_eq!(vector.len(), 384);
        let length: f32 = vector.iter().map(|number| number * number).sum();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
        for other in [embedding_of("m", "a texT", 384), embedding_of("n", "a text", 384)] {
            let cosine: f32 = vector.iter().zip(&other).map(|(a, b)| a * b).sum();
            assert!(cosine.abs() < 0.5, "{cosine}");
        }
    }
}
