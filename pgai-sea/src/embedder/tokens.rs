//! Counting tokens, and cutting texts to what OpenAI's embedding models read.
//!
//! pgai's worker cuts texts for these models with tiktoken, and so does this: a text gets the same vector from either. The table of
//! tokens (1.7 MB) is compiled in, so nothing is downloaded, and it is only loaded for a text that can be too long at all: a token
//! is at least one byte, so most chunks never need it.

use std::borrow::Cow;

/// The most tokens of a text that these models read.
const CONTEXT_LENGTH: usize = 8191;
/// The bytes of the longest token, a run of spaces. More than this many bytes a token cannot be kept.
const LONGEST_TOKEN: usize = 128;

/// Whether `model` is one of OpenAI's three, whose tokens are known.
fn is_known(model: &str) -> bool {
    matches!(
        model,
        "text-embedding-ada-002" | "text-embedding-3-small" | "text-embedding-3-large"
    )
}

/// The tokens that a request pays for `text`: counted for OpenAI's three models, which read no more than 8,191, and for others
/// [estimated](estimate).
pub(super) fn count(model: &str, text: &str) -> usize {
    if !is_known(model) {
        return estimate(text);
    }
    let readable = &text[..text.floor_char_boundary(CONTEXT_LENGTH * LONGEST_TOKEN)];
    let tokens = tiktoken_rs::cl100k_base_singleton().encode_ordinary(readable);
    tokens.len().min(CONTEXT_LENGTH)
}

/// UTF-8 bytes / 4, which is what pgai's worker takes for tokens, and about right for English.
pub(super) fn estimate(text: &str) -> usize {
    text.len().div_ceil(4)
}

/// More tokens than most tokenizers make of `text`: one for up to four ASCII letters, one for each digit and sign, none for the space before a
/// word, and half of the bytes of other characters, which is one for a Cyrillic letter and one and a half for a Chinese character.
pub(super) fn at_most(text: &str) -> usize {
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

/// `text`, or its first 8,191 tokens if `model` is one of OpenAI's three and the text has more.
pub(super) fn cut<'a>(model: &str, text: &'a str) -> Cow<'a, str> {
    if !is_known(model) || text.len() <= CONTEXT_LENGTH {
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
