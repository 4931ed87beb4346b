//! Counting tokens, and truncating texts to what OpenAI's embedding models read.
//!
//! pgai's worker truncates texts for these models with tiktoken. This does the same, so that a text gets the same
//! vector from both. The table of tokens (1.7 MB) is compiled in. It is loaded only for a text with more bytes than the
//! model reads tokens, so most chunks never need it.

use std::borrow::Cow;

/// The most tokens that these models read of a text.
const CONTEXT_LENGTH: usize = 8191;
/// The bytes of the longest token, which is a run of spaces.
const LONGEST_TOKEN: usize = 128;

/// Whether `model` is one of OpenAI's three embedding models, whose tokens are known.
fn is_known(model: &str) -> bool {
    matches!(
        model,
        "text-embedding-ada-002" | "text-embedding-3-small" | "text-embedding-3-large"
    )
}

/// The tokens that `text` counts for: exact for OpenAI's three models, which read at most 8,191, and an [estimate] for
/// others.
pub(crate) fn count(model: &str, text: &str) -> usize {
    if !is_known(model) {
        return estimate(text);
    }
    let readable = &text[..text.floor_char_boundary(CONTEXT_LENGTH * LONGEST_TOKEN)];
    let tokens = tiktoken_rs::cl100k_base_singleton().encode_ordinary(readable);
    tokens.len().min(CONTEXT_LENGTH)
}

/// A quarter of the bytes. pgai's worker estimates the same way, and it is about right for English.
pub(crate) fn estimate(text: &str) -> usize {
    text.len().div_ceil(4)
}

/// More tokens than most tokenizers make of `text`: one for up to four ASCII letters, one for each digit and sign, none
/// for a space, and one for two bytes of other characters (1 for a Cyrillic letter, 1.5 for a Chinese character).
pub(crate) fn at_most(text: &str) -> usize {
    let (mut tokens, mut letters, mut others) = (0_usize, 0_usize, 0_usize);
    for byte in text.bytes() {
        if byte.is_ascii_alphabetic() {
            letters += 1;
            continue;
        }
        tokens += letters.div_ceil(4);
        letters = 0;
        match byte {
            b' ' => {}
            _ if byte.is_ascii() => tokens += 1,
            _ => others += 1,
        }
    }
    tokens + letters.div_ceil(4) + others.div_ceil(2)
}

/// `text`. If `model` is one of OpenAI's three, at most its first 8,191 tokens.
pub(crate) fn truncate<'a>(model: &str, text: &'a str) -> Cow<'a, str> {
    if !is_known(model) || text.len() <= CONTEXT_LENGTH {
        return Cow::Borrowed(text);
    }
    let encoding = tiktoken_rs::cl100k_base_singleton();
    let readable = &text[..text.floor_char_boundary(CONTEXT_LENGTH * LONGEST_TOKEN)];
    // tokens with a special meaning for chat models are ordinary text here
    let tokens = encoding.encode_ordinary(readable);
    if tokens.len() <= CONTEXT_LENGTH {
        return Cow::Borrowed(readable);
    }
    tracing::warn!(
        model,
        bytes = text.len(),
        "a text was truncated to the {CONTEXT_LENGTH} tokens that the model reads"
    );
    match encoding.decode_bytes(&tokens[..CONTEXT_LENGTH]) {
        // a token may end within a character
        Ok(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        // never reached: the tokens are the encoding's own
        Err(_) => Cow::Borrowed(readable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = "text-embedding-3-small";

    #[test]
    fn short_texts_and_other_models_are_left_alone() {
        let long = "word ".repeat(10_000);
        assert!(matches!(truncate("nomic-embed-text", &long), Cow::Borrowed(text) if text == long));
        // 8,000 tokens in 40,000 bytes
        let fits = "word ".repeat(8000);
        assert!(matches!(truncate(MODEL, fits.trim_end()), Cow::Borrowed(text) if text == fits.trim_end()));
    }

    #[test]
    fn tokens_are_counted_where_they_are_known_and_overestimated_where_not() {
        let texts = [
            "",
            "plain words in English",
            "数据库里的文本",
            "ключевые слова",
            "fn main() { a[0] }",
        ];
        for text in texts {
            let counted = count(MODEL, text);
            assert_eq!(count("another model", text), text.len().div_ceil(4));
            assert!(
                (counted..=3 * counted).contains(&at_most(text)),
                "{text}: {counted}, {}",
                at_most(text)
            );
        }
        assert_eq!(count(MODEL, &"word ".repeat(10_000)), CONTEXT_LENGTH);
    }

    #[test]
    fn long_texts_keep_their_first_tokens() {
        let long = "word".to_owned() + &" word".repeat(10_000);
        let kept = truncate(MODEL, &long);
        assert_eq!(kept, "word".to_owned() + &" word".repeat(CONTEXT_LENGTH - 1));
        // what the tokenizer keeps for chat models is text
        let special = "<|endoftext|>".to_owned() + &long;
        assert!(truncate(MODEL, &special).starts_with("<|endoftext|>word word"));
    }

    #[test]
    fn a_token_that_ends_within_a_character_is_no_harm() {
        let kept = truncate(MODEL, &"🦀".repeat(10_000)).into_owned();
        assert!(kept.starts_with("🦀🦀🦀"));
        assert!(kept.len() < 40_000);
        assert!(!truncate(MODEL, &"\u{a0}ä".repeat(3_000_000)).is_empty());
    }
}
