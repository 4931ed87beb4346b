//! The text around hits: neighbouring chunks joined, and numbered for a prompt.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Range, RangeInclusive};

use super::hit::{Chunk, Hit, HitWithSource};
use super::hits::Hits;
use super::neighbours::Neighbour;
use super::ranking::Ranked;
use crate::entity::Place;

/// Chunks of one text may overlap. A shorter overlap may be chance.
const LEAST_OVERLAP: usize = 8;
/// A longer one is not looked for: the look takes the square of it.
const MOST_OVERLAP: usize = 16_384;

/// A hit that has a chunk: [`Hit`], [`HitWithSource`], and [`Ranked`] ones. The trait is sealed.
pub trait ChunkHit: sealed::Sealed {
    /// The key of the source row.
    type Key: PartialEq;

    /// The chunk.
    fn chunk(&self) -> &Chunk<Self::Key>;

    /// Where it is in the text of its row: [`Chunk::place`].
    ///
    /// ```
    /// use pgai_sea::Place;
    /// use pgai_sea::search::{Chunk, ChunkHit as _, Hit};
    ///
    /// let mut chunk = Chunk::new(7, 0, "The moon pulls the sea.");
    /// chunk.place = Some(Place::new(120..143, 120..143).on_page(3).under(["Tides"]));
    /// let hit = Hit::new(chunk, 0.12);
    /// assert_eq!(hit.place().map(ToString::to_string).as_deref(), Some("page 3, Tides"));
    /// ```
    fn place(&self) -> Option<&Place> {
        self.chunk().place.as_ref()
    }
}

mod sealed {
    pub trait Sealed {}
    impl<K> Sealed for super::Hit<K> {}
    impl<K, S> Sealed for super::HitWithSource<K, S> {}
    impl<H: Sealed> Sealed for super::Ranked<H> {}
}

impl<K: PartialEq> ChunkHit for Hit<K> {
    type Key = K;

    fn chunk(&self) -> &Chunk<K> {
        &self.embedding
    }
}

impl<K: PartialEq, S> ChunkHit for HitWithSource<K, S> {
    type Key = K;

    fn chunk(&self) -> &Chunk<K> {
        &self.embedding
    }
}

impl<H: ChunkHit> ChunkHit for Ranked<H> {
    type Key = H::Key;

    fn chunk(&self) -> &Chunk<H::Key> {
        self.hit.chunk()
    }
}

/// A piece of one row's text: a hit with its neighbours, or several hits that stand beside each other.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub struct Passage<'a, H> {
    /// The hits in it, in the order of the search. There is at least one.
    pub hits: Vec<&'a H>,
    /// The places of its chunks in the text of the row.
    pub chunk_seq: RangeInclusive<i32>,
    /// The chunks' text. What two chunks share is there once, and so is what a template puts before each, if they
    /// overlap.
    pub text: String,
}

impl<H: ChunkHit> Hits<H> {
    /// Joins hits and their [neighbours](super::Search::with_neighbours) that stand beside each other in one row's
    /// text. The passage with the best hit comes first.
    ///
    /// ```
    /// use pgai_sea::search::{Chunk, Hit, Hits, Neighbour};
    ///
    /// let mut first = Chunk::new(7, 1, "The lighthouse stands on a cliff.");
    /// first.neighbours = vec![Neighbour::new(2, "It was built in 1847.")];
    /// let second = Chunk::new(7, 3, "Its keeper rows to the mainland.");
    /// let hits: Hits<_> = vec![Hit::new(first, 0.1), Hit::new(second, 0.2)].into();
    ///
    /// let passages = hits.passages();
    /// assert_eq!((passages.len(), passages[0].hits.len(), &passages[0].chunk_seq), (1, 2, &(1..=3)));
    /// ```
    #[must_use]
    pub fn passages(&self) -> Vec<Passage<'_, H>> {
        let mut rows: Vec<(&H::Key, BTreeMap<i32, &str>)> = Vec::new();
        for hit in self {
            let chunk = hit.chunk();
            let place = rows
                .iter()
                .position(|(key, _)| **key == chunk.source_key)
                .unwrap_or_else(|| {
                    rows.push((&chunk.source_key, BTreeMap::new()));
                    rows.len() - 1
                });
            let chunks = &mut rows[place].1;
            chunks.insert(chunk.chunk_seq, &chunk.chunk);
            for neighbour in &chunk.neighbours {
                chunks.insert(neighbour.chunk_seq, &neighbour.chunk);
            }
        }
        let mut passages: Vec<Passage<'_, H>> = Vec::new();
        for hit in self {
            let (key, seq) = (&hit.chunk().source_key, hit.chunk().chunk_seq);
            let known = passages
                .iter_mut()
                .find(|passage| passage.hits[0].chunk().source_key == *key && passage.chunk_seq.contains(&seq));
            if let Some(passage) = known {
                passage.hits.push(hit);
            } else if let Some((_, chunks)) = rows.iter().find(|(row, _)| *row == key) {
                let chunk_seq = run(chunks, seq);
                let texts = chunks.range(chunk_seq.clone()).map(|(_, text)| *text);
                passages.push(Passage {
                    hits: vec![hit],
                    text: join(texts),
                    chunk_seq,
                });
            }
        }
        passages
    }
}

/// The consecutive places around `seq`.
fn run(chunks: &BTreeMap<i32, &str>, seq: i32) -> RangeInclusive<i32> {
    let has = |seq: i32| chunks.contains_key(&seq);
    let mut first = seq;
    while first.checked_sub(1).is_some_and(has) {
        first -= 1;
    }
    let mut last = seq;
    while last.checked_add(1).is_some_and(has) {
        last += 1;
    }
    first..=last
}

fn join<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let texts: Vec<&str> = texts.collect();
    // a template may begin each of them with the same words
    let prefix = common_prefix(&texts);
    let mut joined = String::new();
    for text in texts {
        let rest = after_overlap(&joined, text).or_else(|| after_overlap(&joined, &text[prefix..]));
        if rest.is_none() && !joined.is_empty() {
            joined.push('\n');
        }
        joined.push_str(rest.unwrap_or(text));
    }
    joined
}

/// What follows in `text` after the end of `joined`, if it begins with that.
fn after_overlap<'a>(joined: &str, text: &'a str) -> Option<&'a str> {
    (LEAST_OVERLAP..=text.len().min(joined.len()).min(MOST_OVERLAP))
        .rev()
        .find(|length| text.is_char_boundary(*length) && joined.ends_with(&text[..*length]))
        .map(|length| &text[length..])
}

/// The bytes with which all texts begin.
fn common_prefix(texts: &[&str]) -> usize {
    let [first, rest @ ..] = texts else { return 0 };
    let common = |text: &&str| first.bytes().zip(text.bytes()).take_while(|(a, b)| a == b).count();
    let mut length = rest.iter().map(common).min().unwrap_or(0);
    while !first.is_char_boundary(length) {
        length -= 1;
    }
    length
}

impl<Key> Chunk<Key> {
    /// Where the chunk stands in the text that it was cut from, in bytes: without what the vectorizer's template put
    /// before it, or after it.
    ///
    /// With [`place`](Self::place) it is that, unless the text changed since. Without, the chunk is looked for: if the
    /// text has its words twice, it is the first place. `None` if the text changed since, or if the template puts other
    /// words on both sides.
    ///
    /// ```
    /// use pgai_sea::search::Chunk;
    ///
    /// let body = "A lighthouse. It stands on a cliff.";
    /// let chunk = Chunk::new(7, 1, "Lighthouses: It stands on a cliff.");
    /// assert_eq!(chunk.place_in(body).map(|place| &body[place]), Some("It stands on a cliff."));
    /// ```
    #[must_use]
    pub fn place_in(&self, text: &str) -> Option<Range<usize>> {
        let chunk = self.chunk.as_str();
        let known = self.place.as_ref().map(|place| place.bytes.clone());
        let is_there = |place: &Range<usize>| text.get(place.clone()).is_some_and(|there| chunk.contains(there));
        if let Some(known) = known.filter(|known| !known.is_empty() && is_there(known)) {
            return Some(known);
        }
        find_in(chunk, text)
    }
}

impl Neighbour {
    /// Where the chunk stands in the text that it was cut from, in bytes, as [`Chunk::place_in`] finds it.
    ///
    /// ```
    /// use pgai_sea::search::Neighbour;
    ///
    /// let body = "A lighthouse. It stands on a cliff.";
    /// let neighbour = Neighbour::new(0, "Lighthouses: A lighthouse.");
    /// assert_eq!(neighbour.place_in(body), Some(0..13));
    /// ```
    #[must_use]
    pub fn place_in(&self, text: &str) -> Option<Range<usize>> {
        find_in(&self.chunk, text)
    }
}

/// Where `text` has the words of a chunk, without those of a template before or after them.
fn find_in(chunk: &str, text: &str) -> Option<Range<usize>> {
    let boundaries: Vec<usize> = chunk.char_indices().map(|(at, _)| at).chain([chunk.len()]).collect();
    // if the text has a piece of the chunk, it has every end, or beginning, of that piece
    let cut = boundaries.partition_point(|at| !text.contains(&chunk[*at..]));
    let end = chunk[boundaries[cut.min(boundaries.len() - 1)]..].trim_start();
    let kept = boundaries.partition_point(|at| text.contains(&chunk[..*at]));
    let beginning = chunk[..boundaries[kept.saturating_sub(1)]].trim_end();
    let found = if end.len() >= beginning.len() { end } else { beginning };
    // a few letters are in any text
    if found.is_empty() || found.len() * 4 < chunk.len() {
        return None;
    }
    text.find(found).map(|start| start..start + found.len())
}

/// Writes passages for a prompt: numbered, with their sources, as many as fit.
///
/// ```
/// use pgai_sea::search::{Chunk, HitWithSource, Hits, PromptContext};
///
/// let chunk = |key, text: &str| Chunk::new(key, 0, text);
/// let hits: Hits<_> = vec![
///     HitWithSource::new(chunk(7, "It stands on a cliff."), "Lighthouses", 0.1),
///     HitWithSource::new(chunk(9, "Rows to the mainland."), "Keepers", 0.2),
/// ]
/// .into();
///
/// let context = PromptContext::new(1_000).write(&hits, |hit| hit.source.to_owned());
/// assert_eq!(
///     context.to_string(),
///     "[1] Lighthouses\nIt stands on a cliff.\n\n[2] Keepers\nRows to the mainland.\n"
/// );
/// assert_eq!(context.passages[1].hits[0].source, "Keepers"); // what an answer calls [2]
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is written until `write`"]
pub struct PromptContext {
    tokens: usize,
    count: fn(&str) -> usize,
}

/// What [`PromptContext::write`] wrote. It displays as the text for the prompt.
#[derive(Debug)]
#[non_exhaustive]
pub struct WrittenContext<'a, H> {
    /// The text.
    pub text: String,
    /// The passages in it. The first is numbered 1.
    pub passages: Vec<Passage<'a, H>>,
    /// How many passages did not fit.
    pub left_out: usize,
}

impl PromptContext {
    /// At most so many tokens. A token is estimated as four bytes.
    pub fn new(tokens: usize) -> Self {
        Self {
            tokens,
            count: |text| text.len().div_ceil(4),
        }
    }

    /// Counts tokens with this function, the model's own.
    pub fn count_tokens(mut self, count: fn(&str) -> usize) -> Self {
        self.count = count;
        self
    }

    /// Writes the [passages](Hits::passages) of `hits`, the best first, each below what `source` calls it. A passage
    /// that does not fit is left out, and a later one that fits is written.
    pub fn write<H: ChunkHit>(self, hits: &Hits<H>, source: impl Fn(&H) -> String) -> WrittenContext<'_, H> {
        let mut written = WrittenContext {
            text: String::new(),
            passages: Vec::new(),
            left_out: 0,
        };
        for passage in hits.passages() {
            let space = if written.text.is_empty() { "" } else { "\n" };
            let number = written.passages.len() + 1;
            let text = format!("{space}[{number}] {}\n{}\n", source(passage.hits[0]), passage.text);
            if (self.count)(&format!("{}{text}", written.text)) > self.tokens {
                written.left_out += 1;
                continue;
            }
            written.text.push_str(&text);
            written.passages.push(passage);
        }
        written
    }
}

impl<H> fmt::Display for WrittenContext<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(key: i32, seq: i32, text: &str) -> Hit<i32> {
        Hit::new(Chunk::new(key, seq, text), 0.5)
    }

    #[test]
    fn only_what_stands_together_is_joined() {
        let hits: Hits<_> = vec![
            hit(1, 5, "e"),
            hit(2, 4, "other"),
            hit(1, 0, "a"),
            hit(1, 4, "d"),
            hit(1, 2, "c"),
        ]
        .into();
        let passages = hits.passages();
        let texts: Vec<_> = passages
            .iter()
            .map(|passage| (passage.text.as_str(), passage.hits.len()))
            .collect();
        assert_eq!(texts, [("d\ne", 2), ("other", 1), ("a", 1), ("c", 1)]);
        let extremes: Hits<_> = vec![hit(1, i32::MIN, "a"), hit(1, i32::MAX, "b")].into();
        assert_eq!(extremes.passages().len(), 2);
    }

    #[test]
    fn what_two_chunks_share_is_there_once() {
        let joined = |texts: &[&str]| join(texts.iter().copied());
        assert_eq!(
            joined(&["It stands on a cliff.", "on a cliff. Its keeper rows."]),
            "It stands on a cliff. Its keeper rows."
        );
        assert_eq!(
            joined(&["It ends in a", "a begins"]),
            "It ends in a\na begins",
            "one letter is chance"
        );
        assert_eq!(
            joined(&[
                "Assembly: Step 28. Step 29.",
                "Assembly: Step 28. Step 29. Step 30.",
                "Assembly: Step 29. Step 30. Done.",
            ]),
            "Assembly: Step 28. Step 29. Step 30. Done.",
            "the title is no part of the text"
        );
        assert_eq!(joined(&["日本語日本語", "日本語日本語です"]), "日本語日本語です");
        assert_eq!(joined(&["same text", "same text"]), "same text");
        assert_eq!(joined(&["", "a", ""]), "a\n");
    }

    #[test]
    fn a_chunk_is_found_in_its_text() {
        let text = "Übung: Länge auch. Länge auch nicht.";
        let place = |chunk: &str| Chunk::new(1, 0, chunk).place_in(text).map(|place| &text[place]);
        assert_eq!(place("Titel - Länge auch nicht."), Some("Länge auch nicht."));
        assert_eq!(place("Länge auch."), Some("Länge auch."));
        assert_eq!(place("Länge auch nicht. (Titel)"), Some("Länge auch nicht."));
        assert_eq!(place("This was edited since then."), None);
        assert_eq!(place(""), None);
        let mut second = Chunk::new(1, 0, "Titel - Länge auch");
        second.place = Some(Place::new(21..32, 19..29));
        assert_eq!(second.place_in(text), Some(21..32), "the second of two");
        assert_eq!(second.place_in("Länge auch"), Some(0..11), "the text was edited since");
        assert_eq!(Chunk::new(1, 0, "text").place_in(""), None);
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let hits: Hits<_> = vec![hit(1, 0, &"long ".repeat(50)), hit(2, 0, "short")].into();
        let context = PromptContext::new(10).write(&hits, |hit| hit.embedding.source_key.to_string());
        assert_eq!((context.text.as_str(), context.left_out), ("[1] 2\nshort\n", 1));
        let words = PromptContext::new(3).count_tokens(|text| text.split_whitespace().count());
        assert_eq!(words.write(&hits, |_| "x".to_owned()).left_out, 1);
    }
}
