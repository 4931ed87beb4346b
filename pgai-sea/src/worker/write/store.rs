//! The table of chunks and embeddings.

use std::collections::HashMap;

use sea_orm::prelude::Uuid;
use sea_orm::sqlx::{Error, PgConnection, Row};

use crate::worker::connection::{Database, On as _};
use crate::worker::queue::key_sql::{Key, Names, Sql, statement, with_keys};
use crate::worker::queue::ordinal;
use crate::worker::write::commit::Vectors;
use crate::worker::write::vector_array::{VectorArray, VectorType};

/// The most chunks that one statement inserts: their vectors are one parameter, and no message has more than a gigabyte.
const CHUNKS: usize = 1_024;

/// A chunk that stands in the store, with an embedding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredChunk {
    pub(crate) id: Uuid,
    pub(crate) seq: i32,
    pub(crate) text: String,
}

/// A chunk to be inserted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewChunk {
    pub(crate) seq: i32,
    /// Which of the batch's texts it is, and so which vector it gets.
    pub(crate) text: usize,
}

/// What turns a key's chunks in the store into those of its current text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// What stood in the store when the change was planned: id and place.
    pub(crate) seen: Vec<(Uuid, i32)>,
    pub(crate) removed: Vec<Uuid>,
    /// Chunks that keep their embedding and get another place.
    pub(crate) moved: Vec<(Uuid, i32)>,
    pub(crate) new: Vec<NewChunk>,
    /// Chunks that stay as they are.
    pub(crate) kept: usize,
}

impl Change {
    /// Compares what stands in the store with the texts that should. `texts` are numbers of the batch's texts, `text_of` their texts.
    pub(crate) fn plan<'t>(stored: &[StoredChunk], texts: &[usize], text_of: impl Fn(usize) -> &'t str) -> Self {
        let mut change = Self {
            seen: stored.iter().map(|chunk| (chunk.id, chunk.seq)).collect(),
            ..Self::default()
        };
        let mut spare: HashMap<&str, Vec<&StoredChunk>> = HashMap::new();
        for chunk in stored {
            spare.entry(&chunk.text).or_default().push(chunk);
        }
        let mut missing = Vec::new();
        for (seq, &text) in (0..).zip(texts) {
            // a chunk that is in its place already must not be taken for another place
            let chunks = spare.get_mut(text_of(text));
            match chunks.and_then(|chunks| {
                chunks
                    .iter()
                    .position(|chunk| chunk.seq == seq)
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

    /// Everything removed, for a row that is gone.
    pub(crate) fn clear(places: &[(Uuid, i32)]) -> Self {
        Self {
            seen: places.to_vec(),
            removed: places.iter().map(|place| place.0).collect(),
            ..Self::default()
        }
    }
}

/// The statements on one store.
#[derive(Debug)]
pub(crate) struct Store {
    columns: usize,
    read: Sql,
    places: Sql,
    remove: Sql,
    insert: Sql,
    /// What `insert` takes the vectors as; numbers, one vector after the other, if this is not known.
    vector_type: Option<VectorType>,
}

impl Store {
    pub(crate) fn new(names: &Names, store: &str, vector_type: Option<VectorType>) -> Self {
        let (given, matches) = (names.given(), names.matches("s"));
        let columns = names.columns("");
        let n = names.keys.len();
        // the key of the row's number, out of the arrays of keys
        let keys = (1..=n)
            .zip(&names.keys)
            .map(|(i, key)| format!("(${i}::text[])[r.n]::{}", key.sql_type));
        let keys = keys.collect::<Vec<_>>().join(", ");
        let (seqs, texts, places, vectors, length) = (n + 2, n + 3, n + 4, n + 5, n + 6);
        let vector = match vector_type {
            Some(_) => format!("(${vectors})[r.place + 1]"),
            None => format!("(${vectors}::real[])[r.place * ${length}::int + 1 : (r.place + 1) * ${length}::int]"),
        };
        let insert = format!(
            "insert into {store} ({columns}, chunk_seq, chunk, embedding) \
             select {keys}, r.seq, r.chunk, {vector} \
             from unnest(${}::int[], ${seqs}::int[], ${texts}::text[], ${places}::int[]) as r (n, seq, chunk, place)",
            n + 1,
        );
        let removed = names.columns("removed");
        Self {
            columns: n,
            read: format!("select k.n, s.embedding_uuid, s.chunk_seq, s.chunk from {given} join {store} s on {matches}").into(),
            places: format!("select k.n, s.embedding_uuid, s.chunk_seq from {given} join {store} s on {matches}").into(),
            // The sort makes all deletions come before the first insertion, so that places are free.
            remove: format!(
                "with removed as (delete from {store} where embedding_uuid = any($1) returning *) \
                 insert into {store} (embedding_uuid, {columns}, chunk_seq, chunk, embedding) \
                 select removed.embedding_uuid, {removed}, moved.seq, removed.chunk, removed.embedding \
                 from removed join unnest($2::uuid[], $3::int[]) as moved (id, seq) on moved.id = removed.embedding_uuid order by moved.seq"
            )
            .into(),
            insert: insert.into(),
            vector_type,
        }
    }

    /// The chunks of `keys`, in their order.
    pub(crate) async fn read(&self, pool: &Database, keys: &[&Key]) -> Result<Vec<Vec<StoredChunk>>, Error> {
        let mut found: Vec<Vec<StoredChunk>> = keys.iter().map(|_| Vec::new()).collect();
        for row in with_keys(&self.read, self.columns, keys).all_on(pool).await? {
            if let Some(chunks) = found.get_mut(ordinal(row.try_get(0)?)?) {
                chunks.push(StoredChunk {
                    id: row.try_get(1)?,
                    seq: row.try_get(2)?,
                    text: row.try_get(3)?,
                });
            }
        }
        Ok(found)
    }

    /// The same without texts: enough to tell whether anyone changed them.
    pub(crate) async fn places(
        &self,
        connection: &mut PgConnection,
        keys: &[&Key],
    ) -> Result<Vec<Vec<(Uuid, i32)>>, Error> {
        let mut found: Vec<Vec<(Uuid, i32)>> = keys.iter().map(|_| Vec::new()).collect();
        for row in with_keys(&self.places, self.columns, keys)
            .fetch_all(connection)
            .await?
        {
            if let Some(chunks) = found.get_mut(ordinal(row.try_get(0)?)?) {
                chunks.push((row.try_get(1)?, row.try_get(2)?));
            }
        }
        Ok(found)
    }

    /// Carries out changes that were planned on what stands in the store now.
    pub(crate) async fn apply(
        &self,
        connection: &mut PgConnection,
        changes: &[(&Key, &Change)],
        vectors: Vectors<'_>,
    ) -> Result<(), Error> {
        let moved: Vec<(Uuid, i32)> = changes
            .iter()
            .flat_map(|(_, change)| change.moved.iter().copied())
            .collect();
        let removed = changes.iter().flat_map(|(_, change)| change.removed.iter().copied());
        let removed: Vec<Uuid> = removed.chain(moved.iter().map(|moved| moved.0)).collect();
        if !removed.is_empty() {
            let (ids, seqs): (Vec<Uuid>, Vec<i32>) = moved.into_iter().unzip();
            statement(&self.remove)
                .bind(removed)
                .bind(ids)
                .bind(seqs)
                .execute(&mut *connection)
                .await?;
        }
        self.insert(connection, changes, vectors).await
    }

    async fn insert(
        &self,
        connection: &mut PgConnection,
        changes: &[(&Key, &Change)],
        vectors: Vectors<'_>,
    ) -> Result<(), Error> {
        let chunks = (1_i32..).zip(changes);
        let chunks = chunks.flat_map(|(number, (_, change))| change.new.iter().map(move |chunk| (number, chunk)));
        let chunks: Vec<(i32, &NewChunk)> = chunks.collect();
        if chunks.is_empty() {
            return Ok(());
        }
        let keys: Vec<&Key> = changes.iter().map(|(key, _)| *key).collect();
        for chunks in chunks.chunks(CHUNKS) {
            self.insert_some(connection, &keys, chunks, vectors).await?;
        }
        Ok(())
    }

    /// Inserts chunks of the keys with these numbers (from 1).
    async fn insert_some(
        &self,
        connection: &mut PgConnection,
        keys: &[&Key],
        new: &[(i32, &NewChunk)],
        vectors: Vectors<'_>,
    ) -> Result<(), Error> {
        let (mut numbers, mut seqs, mut chunks, mut places) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut distinct: Vec<&[f32]> = Vec::new();
        // equal texts share a vector
        let mut place_of: HashMap<usize, i32> = HashMap::new();
        for (number, chunk) in new {
            let (Some(text), Some(Some(vector))) = (vectors.texts.get(chunk.text), vectors.vectors.get(chunk.text))
            else {
                return Err(Error::Encode("a chunk is to be written that was not embedded".into()));
            };
            let next = i32::try_from(place_of.len()).unwrap_or(i32::MAX);
            places.push(*place_of.entry(chunk.text).or_insert_with(|| {
                distinct.push(vector);
                next
            }));
            numbers.push(*number);
            seqs.push(chunk.seq);
            chunks.push(text.as_str());
        }
        let insert = with_keys(&self.insert, self.columns, keys)
            .bind(numbers)
            .bind(seqs)
            .bind(chunks)
            .bind(places);
        let insert = if let Some(of) = self.vector_type {
            insert.bind(VectorArray { of, vectors: distinct })
        } else {
            let length = distinct.first().map_or(0, |vector| vector.len());
            insert
                .bind(distinct.concat())
                .bind(i32::try_from(length).unwrap_or(i32::MAX))
        };
        insert.execute(connection).await?;
        Ok(())
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
            })
            .collect()
    }

    fn plan(before: &[&str], after: &[&str]) -> Change {
        let texts: Vec<usize> = (0..after.len()).collect();
        Change::plan(&stored(before), &texts, |text| after[text])
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
    fn equal_chunks_are_not_taken_twice() {
        let change = plan(&["a"], &["a", "a"]);
        assert_eq!((change.kept, change.new), (1, vec![NewChunk { seq: 1, text: 1 }]));
    }
}
