//! A piece of a text that shows why it was found, with the query's words marked.

use std::collections::HashSet;
use std::ops::Range;

use serde::Serialize;

/// Two words that begin with as many same letters are forms of one word, as `index` and `indexes` ..
const STEM: usize = 4;
/// .. if few letters follow, unlike `light` and `lighthouse`.
const ENDING: usize = 3;
/// Words of questions in English that say nothing of what is looked for.
const STOP_WORDS: [&str; 50] = [
    "a", "about", "an", "and", "are", "as", "at", "be", "by", "can", "do", "does", "for", "from", "has", "have", "how",
    "i", "if", "in", "is", "it", "its", "me", "my", "of", "on", "or", "our", "should", "that", "the", "their", "there",
    "this", "to", "was", "we", "were", "what", "when", "where", "which", "who", "why", "will", "with", "you", "your",
    "not",
];

/// A piece of a text, and the query's words in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Snippet {
    /// The piece, on one line. An ellipsis stands where the text goes on.
    pub text: String,
    /// Where the query's words stand in it, in bytes.
    pub marks: Vec<Range<usize>>,
}

/// The piece of `text` of at most `length` characters that has the most words of `query`, with these words marked. A
/// longer word counts more. Without any it is the beginning.
///
/// ```
/// let text = "A lighthouse stands on a cliff. Its keeper rows to the mainland twice a week.";
/// let snippet = pgai_sea::search::snippet(text, "Which keeper reaches land?", 30);
/// assert_eq!(snippet.to_html(), "… Its <mark>keeper</mark> rows to the …");
/// ```
///
/// A word counts if it is one of the query's, or another form of it: the same four letters, and a short ending. Case
/// does not matter. Of a question in English, `how`, `is`, `the` and their like do not count, unless it has no others.
/// A chunk found by its meaning may have none of the words.
#[must_use]
pub fn snippet(text: &str, query: &str, length: usize) -> Snippet {
    let mut query: Vec<String> = words(query).map(|word| query[word].to_lowercase()).collect();
    if query.iter().any(|word| !STOP_WORDS.contains(&word.as_str())) {
        query.retain(|word| !STOP_WORDS.contains(&word.as_str()));
    }
    let known = |word: &Range<usize>| {
        let word = text[word.clone()].to_lowercase();
        query.iter().position(|query| is_same(query, &word))
    };
    let words: Vec<Range<usize>> = tokens(text).collect();
    let found: Vec<Option<usize>> = words
        .iter()
        .map(|token| matched(text, token).find_map(|word| known(&word)))
        .collect();
    let letters: Vec<usize> = query.iter().map(|word| word.chars().count()).collect();
    let window = best(text, &words, &found, &letters, length);
    let mut snippet = Snippet::default();
    if window.start > 0 {
        snippet.text.push_str("… ");
    }
    for (token, place) in words[window.clone()].iter().zip(window.clone()) {
        if place > window.start {
            snippet.text.push(' ');
        }
        let start = snippet.text.len();
        snippet.text.push_str(&text[token.clone()]);
        let marks = matched(text, token).filter(|word| known(word).is_some());
        let moved = marks.map(|word| start + word.start - token.start..start + word.end - token.start);
        snippet.marks.extend(moved);
    }
    if window.end < words.len() {
        snippet.text.push_str(" …");
    }
    snippet
}

impl Snippet {
    /// The piece as HTML: the query's words in `<mark>`, everything else escaped.
    #[must_use]
    pub fn to_html(&self) -> String {
        let mut html = String::new();
        let mut end = 0;
        for mark in &self.marks {
            escape(&self.text[end..mark.start], &mut html);
            html.push_str("<mark>");
            escape(&self.text[mark.clone()], &mut html);
            html.push_str("</mark>");
            end = mark.end;
        }
        escape(&self.text[end..], &mut html);
        html
    }
}

fn escape(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
}

/// Pieces between white space: what is shown whole.
fn tokens(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let start = |piece: &str| piece.as_ptr() as usize - text.as_ptr() as usize;
    text.split_whitespace()
        .map(move |piece| start(piece)..start(piece) + piece.len())
}

/// Words: letters and digits.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let start = |piece: &str| piece.as_ptr() as usize - text.as_ptr() as usize;
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|piece| !piece.is_empty())
        .map(move |piece| start(piece)..start(piece) + piece.len())
}

/// The words of a token, in the text.
fn matched<'a>(text: &'a str, token: &Range<usize>) -> impl Iterator<Item = Range<usize>> + 'a {
    let start = token.start;
    words(&text[token.clone()]).map(move |word| start + word.start..start + word.end)
}

fn is_same(query: &str, word: &str) -> bool {
    let stem = query.chars().zip(word.chars()).take_while(|(a, b)| a == b).count();
    let longer = query.chars().count().max(word.chars().count());
    query == word || stem >= STEM && longer - stem <= ENDING
}

/// The window of tokens, at most `length` characters long, with the most of the query's words. It has a token at least.
fn best(
    text: &str,
    tokens: &[Range<usize>],
    found: &[Option<usize>],
    letters: &[usize],
    length: usize,
) -> Range<usize> {
    let widths: Vec<usize> = tokens
        .iter()
        .map(|token| text[token.clone()].chars().count() + 1)
        .collect();
    let mut best = 0..0;
    let mut most = None;
    let mut end = 0;
    let mut width = 0;
    for start in 0..tokens.len() {
        if end <= start {
            end = start;
            width = 0;
        }
        while end < tokens.len() && (end == start || width + widths[end] <= length + 1) {
            width += widths[end];
            end += 1;
        }
        // a word that starts the window, or the start of the text: everything else is a worse copy of these
        if start == 0 || found[start].is_some() {
            let different: HashSet<usize> = found[start..end].iter().flatten().copied().collect();
            let letters = different.into_iter().map(|word| letters[word]).sum::<usize>();
            if most.is_none_or(|most| letters > most) {
                most = Some(letters);
                best = start..end;
            }
        }
        width -= widths[start];
    }
    let last = (best.clone()).rev().find(|place| found[*place].is_some());
    lead_in(&widths, best, last, length)
}

/// Puts some words before the first found one, a quarter of the length, in place of words behind the `last` found one.
fn lead_in(widths: &[usize], mut window: Range<usize>, last: Option<usize>, length: usize) -> Range<usize> {
    let mut lead = length / 4;
    let mut used: usize = widths[window.clone()].iter().sum();
    while window.start > 0 && widths[window.start - 1] <= lead {
        let width = widths[window.start - 1];
        while used + width > length + 1 && last.is_some_and(|last| window.end > last + 1) {
            window.end -= 1;
            used -= widths[window.end];
        }
        if used + width > length + 1 {
            break;
        }
        lead -= width;
        used += width;
        window.start -= 1;
    }
    window
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_piece_has_the_most_words() {
        let text = "The sea is grey. A ship sails far out. The lighthouse keeper lights the lamp at dusk. Rain falls.";
        let piece = snippet(text, "Which keeper lights lamps?", 40);
        assert_eq!(
            piece.to_html(),
            "… <mark>keeper</mark> <mark>lights</mark> the <mark>lamp</mark> at dusk. Rain …"
        );
        let piece = snippet(text, "nothing of that kind", 20);
        assert_eq!((piece.text.as_str(), piece.marks.len()), ("The sea is grey. A …", 0));
        assert_eq!(snippet(text, "grey", 1_000).text, text);
        assert_eq!(snippet("", "a", 10), Snippet::default());
        assert_eq!(
            snippet("one-two", "TWO", 0).to_html(),
            "one-<mark>two</mark>",
            "a word at least"
        );
    }

    #[test]
    fn html_is_escaped() {
        let piece = snippet("<b>Tom & \"Ann\"</b>", "tom", 100);
        assert_eq!(
            piece.to_html(),
            "&lt;b&gt;<mark>Tom</mark> &amp; &quot;Ann&quot;&lt;/b&gt;"
        );
    }

    proptest! {
        #[test]
        fn any_text_has_a_piece(text: String, query: String, length in 0_usize..80) {
            let piece = snippet(&text, &query, length);
            let longest = text.split_whitespace().map(|word| word.chars().count()).max().unwrap_or(0);
            prop_assert!(piece.text.chars().count() <= length.max(longest) + 4);
            for mark in &piece.marks {
                prop_assert!(!piece.text[mark.clone()].is_empty());
            }
            prop_assert!(piece.marks.windows(2).all(|marks| marks[0].end <= marks[1].start));
            prop_assert!(piece.to_html().len() >= piece.text.len());
        }

        /// If the words of the query fit into the piece together, they are all in it.
        #[test]
        fn what_stands_together_is_found(before in "([a-d]{1,6} ){0,30}", after in "( [a-d]{1,6}){0,30}") {
            let piece = snippet(&format!("{before}xylophone zither{after}"), "zither and xylophone", 40);
            prop_assert_eq!(piece.marks.len(), 2, "{}", piece.text);
        }
    }
}
