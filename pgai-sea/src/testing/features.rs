//! A text as a vector, without a model: words and their parts are hashed to dimensions.

/// A word weighs as much as its letters say about it: `the` tells little.
const LONG: usize = 6;
/// The number of letters in a part of a word. Parts put `bake` near `baking`.
const PART: usize = 3;

/// The unit vector of a text. Texts that share words, or parts of words, have a small cosine distance; others have one
/// of about 1. Case and punctuation do not matter.
pub(super) fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut vector = vec![0.0_f32; dimensions];
    let lower = text.to_lowercase();
    for word in lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
    {
        let letters: Vec<char> = word.chars().collect();
        #[allow(clippy::cast_precision_loss, reason = "at most 6")]
        let weight = letters.len().min(LONG) as f32 / LONG as f32;
        add(&mut vector, word, weight);
        for part in letters.windows(PART) {
            add(&mut vector, &part.iter().collect::<String>(), weight);
        }
    }
    normalized(vector)
}

/// The same direction at length 1. What has none gets the first axis: the cosine of zeros is undefined.
pub(super) fn normalized(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        for x in &mut vector {
            *x /= length;
        }
    } else if let Some(first) = vector.first_mut() {
        *first = 1.0;
    }
    vector
}

/// Adds a feature to the dimension, and with the sign, that its hash says. Signs let collisions cancel out.
fn add(vector: &mut [f32], feature: &str, weight: f32) {
    let hash = fnv1a(feature.as_bytes());
    let dimensions = vector.len() as u64;
    if let Some(value) = usize::try_from(hash % dimensions.max(1))
        .ok()
        .and_then(|place| vector.get_mut(place))
    {
        *value += if hash >> 63 == 0 { weight } else { -weight };
    }
}

/// FNV-1a. The same on every machine and in every version of Rust, which the standard library's hashes do not promise.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn similarity(a: &str, b: &str) -> f32 {
        let (a, b) = (vector(a, 384), vector(b, 384));
        a.iter().zip(&b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn texts_that_share_words_are_near() {
        assert!((similarity("Flour, water & salt!", "flour WATER salt") - 1.0).abs() < 1e-6);
        assert!(similarity("bake a loaf", "baking loaves") > similarity("bake a loaf", "the keys of a tree") + 0.2);
        assert!(similarity("flour and water", "Flour, water and salt") > 0.7);
        assert!(similarity("flour and water", "A B-tree keeps keys in order").abs() < 0.2);
    }

    #[test]
    fn every_text_has_a_direction() {
        for text in ["", "  ", "?!", "日本語", "a", "\u{0}"] {
            let length: f32 = vector(text, 3).iter().map(|x| x * x).sum();
            assert!((length - 1.0).abs() < 1e-6, "{text:?}");
        }
    }

    #[test]
    fn a_vector_is_the_same_everywhere() {
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8); // from the algorithm's authors
    }
}
