//! How a row's chunks in the store differ from those of its current text.

use std::collections::HashMap;

use sea_orm::prelude::Uuid;

use crate::entity::Place;

/// A chunk in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredChunk {
    pub(crate) id: Uuid,
    pub(crate) seq: i32,
    pub(crate) text: String,
    /// Where it was in the row's text, if the store says it.
    pub(crate) place: Option<Place>,
}

/// A chunk to be inserted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewChunk {
    pub(crate) seq: i32,
    /// The number of its text in the batch, and so of its vector.
    pub(crate) text: usize,
}

/// The change that turns a key's chunks in the store into those of its current text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChunkChange {
    /// The store's chunks when the change was planned: id and `chunk_seq`.
    pub(crate) seen: Vec<(Uuid, i32)>,
    pub(crate) removed: Vec<Uuid>,
    /// Chunks that keep their embedding and get another `chunk_seq` or place.
    pub(crate) moved: Vec<(Uuid, i32)>,
    pub(crate) new: Vec<NewChunk>,
    /// Chunks that stay as they are.
    pub(crate) kept: usize,
    /// By `chunk_seq`, where the chunks are in the row's text. Empty if the store does not say it.
    pub(crate) places: Vec<Place>,
}

impl ChunkChange {
    /// Compares the chunks in the store with the texts that should be there. `texts` are numbers, `text_of` says their
    /// texts, and `places` where they are, if the store says that.
    pub(crate) fn plan<'t>(
        stored: &[StoredChunk],
        texts: &[usize],
        text_of: impl Fn(usize) -> &'t str,
        places: Vec<Place>,
    ) -> Self {
        let mut change = Self {
            seen: stored.iter().map(|chunk| (chunk.id, chunk.seq)).collect(),
            places,
            ..Self::default()
        };
        let mut spare: HashMap<&str, Vec<&StoredChunk>> = HashMap::new();
        for chunk in stored {
            spare.entry(&chunk.text).or_default().push(chunk);
        }
        let mut missing = Vec::new();
        for ((seq, &text), number) in (0..).zip(texts).zip(0..) {
            // a chunk that is in its place already must not be moved to another one
            let place = change.places.get(number);
            let chunks = spare.get_mut(text_of(text));
            match chunks.and_then(|chunks| {
                chunks
                    .iter()
                    .position(|chunk| chunk.seq == seq && (place.is_none() || chunk.place.as_ref() == place))
                    .map(|at| chunks.swap_remove(at))
            }) {
                Some(_) => change.kept += 1,
                None => missing.push(NewChunk { seq, text }),
            }
        }
        for chunk in missing {
            match spare.get_mut(text_of(chunk.text)).and_then(Vec::pop) {
                Some(stored) => change.moved.push((stored.id, chunk.seq)),
                None => change.new.push(chunk),
            }
        }
        change.removed = spare.into_values().flatten().map(|chunk| chunk.id).collect();
        change
    }

    /// Replaces all chunks in the store, whatever their texts: their vectors may be another model's.
    pub(crate) fn replace(stored: &[StoredChunk], texts: &[usize], places: Vec<Place>) -> Self {
        let seen: Vec<_> = stored.iter().map(|chunk| (chunk.id, chunk.seq)).collect();
        Self {
            new: (0..).zip(texts).map(|(seq, &text)| NewChunk { seq, text }).collect(),
            places,
            ..Self::clear(&seen)
        }
    }

    /// Where the chunk with that `chunk_seq` is in the row's text.
    pub(crate) fn place(&self, seq: i32) -> Option<&Place> {
        self.places.get(usize::try_from(seq).ok()?)
    }

    /// Removes all chunks, for a row that is gone.
    pub(crate) fn clear(seen: &[(Uuid, i32)]) -> Self {
        Self {
            seen: seen.to_vec(),
            removed: seen.iter().map(|chunk| chunk.0).collect(),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(texts: &[&str]) -> Vec<StoredChunk> {
        (0_i32..)
            .zip(texts)
            .map(|(seq, text)| StoredChunk {
                id: Uuid::from_u64_pair(0, u64::from(seq.unsigned_abs()) + 1),
                seq,
                text: (*text).into(),
                place: None,
            })
            .collect()
    }

    fn plan(before: &[&str], after: &[&str]) -> ChunkChange {
        let texts: Vec<usize> = (0..after.len()).collect();
        ChunkChange::plan(&stored(before), &texts, |text| after[text], Vec::new())
    }

    #[test]
    fn an_unchanged_row_is_left_alone() {
        let change = plan(&["a", "b", "a"], &["a", "b", "a"]);
        assert_eq!(
            (change.kept, change.new.len(), change.moved.len(), change.removed.len()),
            (3, 0, 0, 0)
        );
    }

    #[test]
    fn what_moved_keeps_its_embedding() {
        let change = plan(&["a", "b", "c"], &["new", "a", "b"]);
        assert_eq!(change.new, [NewChunk { seq: 0, text: 0 }]);
        assert_eq!(change.moved, [(Uuid::from_u128(1), 1), (Uuid::from_u128(2), 2)]);
        assert_eq!(change.removed, [Uuid::from_u128(3)]);
    }

    #[test]
    fn what_shifted_keeps_its_embedding_and_gets_its_place() {
        let place = |at: usize| Place::new(at..at + 1, at..at + 1);
        let mut before = stored(&["a", "b"]);
        before[0].place = Some(place(0));
        before[1].place = Some(place(2));
        let change = ChunkChange::plan(&before, &[0, 1], |text| ["a", "b"][text], vec![place(0), place(4)]);
        assert_eq!((change.kept, change.new.len(), change.removed.len()), (1, 0, 0));
        assert_eq!(change.moved, [(Uuid::from_u64_pair(0, 2), 1)]);
        assert_eq!(change.place(1), Some(&place(4)));
    }

    #[test]
    fn equal_chunks_are_not_taken_twice() {
        let change = plan(&["a"], &["a", "a"]);
        assert_eq!((change.kept, change.new), (1, vec![NewChunk { seq: 1, text: 1 }]));
    }
}
