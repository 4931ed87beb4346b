//! Cutting texts to what OpenAI's embedding models read.
//!
//! pgai's worker cuts texts for these models with tiktoken, and so does this: a text gets the same vector from either. The table of
//! tokens (1.7 MB) is compiled in, so nothing is downloaded, and it is only loaded for a text that can be too long at all: a token
//! is at least one byte, so most chunks never need it.

use std::borrow::Cow;

/// The most tokens of a text that these models read.
const CONTEXT_LENGTH: usize = 8191;
/// The bytes of the longest token, a run of spaces. More than this many bytes a token cannot be kept.
const LONGEST_TOKEN: usize = 128;

/// `text`, or its first 8,191 tokens if `model` is one of OpenAI's three and the text has more.
pub(super) fn cut<'a>(model: &str, text: &'a str) -> Cow<'a, str> {
    let known = matches!(
        model,
        "text-embedding-ada-002" | "text-embedding-3-small" | "text-embedding-3-large"
    );
    if !known || text.len() <= CONTEXT_LENGTH {
        return Cow::Borrowed(text);
    }
    let encoding = tiktoken_rs::cl100k_base_singleton();
    let readable = &text[..text.floor_char_boundary(CONTEXT_LENGTH * LONGEST_TOKEN)];
    // tokens that mean something special to chat models are text like any other here
    let tokens = encoding.encode_ordinary(readable);
    if tokens.len() <= CONTEXT_LENGTH {
        return Cow::Borrowed(readable);
    }
    tracing::warn!(
        model,
        bytes = text.len(),
        "text cut to the {CONTEXT_LENGTH} tokens that the model reads"
    );
    match encoding.decode_bytes(&tokens[..CONTEXT_LENGTH]) {
        // a token may end within a character
        Ok(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        // not reached, for the tokens are the encoding's own; the provider will say that the text is too long
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
        assert!(matches!(cut("nomic-embed-text", &long), Cow::Borrowed(text) if text == long));
        // 8,000 tokens in 40,000 bytes
        let fits = "word ".repeat(8000);
        assert!(matches!(cut(MODEL, fits.trim_end()), Cow::Borrowed(text) if text == fits.trim_end()));
    }

    #[test]
    fn long_texts_keep_their_first_tokens() {
        let long = "word".to_owned() + &" word".repeat(10_000);
        let kept = cut(MODEL, &long);
        assert_eq!(kept, "word".to_owned() + &" word".repeat(CONTEXT_LENGTH - 1));
        // what the tokenizer keeps for chat models is text
        let special = "<|endoftext|>".to_owned() + &long;
        assert!(cut(MODEL, &special).starts_with("<|endoftext|>word word"));
    }

    #[test]
    fn a_token_that_ends_within_a_character_is_no_harm() {
        let kept = cut(MODEL, &"🦀".repeat(10_000)).into_owned();
        assert!(kept.starts_with("🦀🦀🦀"));
        assert!(kept.len() < 40_000);
        assert!(!cut(MODEL, &"\u{a0}ä".repeat(3_000_000)).is_empty());
    }
}
