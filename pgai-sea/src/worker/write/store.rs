//! The store: the table of chunks and embeddings.

use std::collections::HashMap;

use sea_orm::prelude::Uuid;
use sea_orm::sqlx::{PgConnection, Row as _};

use super::copy::{Chunk, Copy};
use super::places::{self, Places};
use crate::entity::Place;
use crate::worker::batch::chunk_change::{ChunkChange, NewChunk, StoredChunk};
use crate::worker::batch::item::Vectors;
use crate::worker::connection::{Database, On as _};
use crate::worker::database_error::DatabaseError;
use crate::worker::queue::key_sql::{Key, KeySql, Sql, place, statement, with_keys};

/// The most chunks that one statement inserts: their vectors are one parameter, and no message has more than a
/// gigabyte.
const CHUNKS: usize = 1_024;

/// A chunk to be inserted: the number of its key (from 1), and where it is in the row's text.
type Inserted<'c> = (i32, &'c NewChunk, Option<&'c Place>);

/// The statements on one store.
#[derive(Debug)]
pub(crate) struct Store {
    columns: usize,
    /// Whether it has the columns that say where chunks are.
    has_places: bool,
    read: Sql,
    places: Sql,
    remove: Sql,
    insert: Sql,
    /// `None` if chunks are inserted.
    copy: Option<Copy>,
}

impl Store {
    /// `vector_type` is the type of its vectors, if it is known.
    pub(crate) fn new(
        key_sql: &KeySql,
        store: &str,
        has_places: bool,
        vector_type: Option<&str>,
        copy: Option<Copy>,
    ) -> Self {
        // Each key is looked up by itself, in the index. A store that was never analyzed looks so small to PostgreSQL
        // that it would read all of it for each batch.
        let of_keys = |chunk: &str| {
            format!(
                "select k.n, {chunk} from {} cross join lateral (select * from {store} s where {} offset 0) s",
                key_sql.given(),
                key_sql.matches("s")
            )
        };
        let columns = key_sql.columns("");
        let n = key_sql.keys.len();
        // the key of the row's number, out of the arrays of keys
        let keys = (1..=n)
            .zip(&key_sql.keys)
            .map(|(i, key)| key_sql.value(&format!("(${i}::text[])[r.n]"), &key.sql_type));
        let keys = keys.collect::<Vec<_>>().join(", ");
        let (seqs, texts, places, vectors, length) = (n + 2, n + 3, n + 4, n + 5, n + 6);
        // All vectors are one array of numbers. An array of pgvector's type would be a half of the bytes, but the
        // driver would look up that type within the worker's search path, and remember on the connection the name
        // `public.vector`. The application shares the connection, and could read no vector on it any more.
        let vector = format!(
            "(${vectors}::real[])[r.place * ${length}::int + 1 : (r.place + 1) * ${length}::int]{}",
            // to leave the conversion to the assignment is more than Citus can do
            vector_type.map_or_else(String::new, |vector_type| format!("::{vector_type}"))
        );
        let given = |text: String| if has_places { text } else { String::new() };
        let (named, moved_parameters) = (given(places::columns("")), given(places::parameters(4)));
        let insert = format!(
            "insert into {store} ({columns}, chunk_seq, chunk, embedding{named}) \
             select {keys}, r.seq, r.chunk, {vector}{} \
             from unnest(${}::int[], ${seqs}::int[], ${texts}::text[], ${places}::int[]{}) \
             as r (n, seq, chunk, place{named})",
            given(places::values("r")),
            n + 1,
            given(places::parameters(n + 7)),
        );
        let removed = key_sql.columns("removed");
        Self {
            columns: n,
            has_places,
            read: of_keys(&format!(
                "s.embedding_uuid, s.chunk_seq, s.chunk{}",
                given(places::columns("s."))
            ))
            .into(),
            places: of_keys("s.embedding_uuid, s.chunk_seq").into(),
            // The sort puts all deletions before the first insertion, so that each `chunk_seq` is free.
            remove: format!(
                "with removed as (delete from {store} where embedding_uuid = any($1) returning *) \
                 insert into {store} (embedding_uuid, {columns}, chunk_seq, chunk, embedding{named}) \
                 select removed.embedding_uuid, {removed}, moved.seq, removed.chunk, removed.embedding{} \
                 from removed join unnest($2::uuid[], $3::int[]{moved_parameters}) as moved (id, seq{named}) \
                 on moved.id = removed.embedding_uuid order by moved.seq",
                given(places::values("moved"))
            )
            .into(),
            insert: insert.into(),
            copy,
        }
    }

    /// The chunks of `keys`, in their order.
    pub(crate) async fn read(&self, pool: &Database, keys: &[&Key]) -> Result<Vec<Vec<StoredChunk>>, DatabaseError> {
        let mut found: Vec<Vec<StoredChunk>> = keys.iter().map(|_| Vec::new()).collect();
        for row in with_keys(&self.read, self.columns, keys).all_on(pool).await? {
            if let Some(chunks) = found.get_mut(place(row.try_get(0)?)?) {
                chunks.push(StoredChunk {
                    id: row.try_get(1)?,
                    seq: row.try_get(2)?,
                    text: row.try_get(3)?,
                    place: if self.has_places { places::read(&row, 4)? } else { None },
                });
            }
        }
        Ok(found)
    }

    /// The chunks' ids and `chunk_seq`: enough to tell whether anyone changed them.
    pub(crate) async fn places(
        &self,
        connection: &mut PgConnection,
        keys: &[&Key],
    ) -> Result<Vec<Vec<(Uuid, i32)>>, DatabaseError> {
        let mut found: Vec<Vec<(Uuid, i32)>> = keys.iter().map(|_| Vec::new()).collect();
        for row in with_keys(&self.places, self.columns, keys)
            .fetch_all(connection)
            .await?
        {
            if let Some(chunks) = found.get_mut(place(row.try_get(0)?)?) {
                chunks.push((row.try_get(1)?, row.try_get(2)?));
            }
        }
        Ok(found)
    }

    /// Carries out changes that were planned on the chunks that are in the store now.
    pub(crate) async fn apply(
        &self,
        connection: &mut PgConnection,
        changes: &[(&Key, &ChunkChange)],
        vectors: Vectors<'_>,
    ) -> Result<(), DatabaseError> {
        let (mut moved, mut places) = (Vec::<(Uuid, i32)>::new(), Places::default());
        for (_, change) in changes {
            for &(id, seq) in &change.moved {
                moved.push((id, seq));
                places.push(change.place(seq));
            }
        }
        let removed = changes.iter().flat_map(|(_, change)| change.removed.iter().copied());
        let removed: Vec<Uuid> = removed.chain(moved.iter().map(|moved| moved.0)).collect();
        if !removed.is_empty() {
            let (ids, seqs): (Vec<Uuid>, Vec<i32>) = moved.into_iter().unzip();
            let mut remove = statement(&self.remove).bind(removed).bind(ids).bind(seqs);
            if self.has_places {
                remove = places.bind(remove);
            }
            remove.execute(&mut *connection).await?;
        }
        self.insert(connection, changes, vectors).await
    }

    async fn insert(
        &self,
        connection: &mut PgConnection,
        changes: &[(&Key, &ChunkChange)],
        vectors: Vectors<'_>,
    ) -> Result<(), DatabaseError> {
        let chunks = (1_i32..).zip(changes);
        let chunks = chunks.flat_map(|(number, (_, change))| {
            change
                .new
                .iter()
                .map(move |chunk| (number, chunk, change.place(chunk.seq)))
        });
        let chunks: Vec<Inserted<'_>> = chunks.collect();
        if chunks.is_empty() {
            return Ok(());
        }
        let keys: Vec<&Key> = changes.iter().map(|(key, _)| *key).collect();
        for chunks in chunks.chunks(CHUNKS) {
            if let Some(copy) = &self.copy {
                let chunks = chunks.iter().map(|(number, chunk, _)| {
                    let (text, vector) = vectors.get(chunk.text)?;
                    let key = keys.get(usize::try_from(number - 1).ok()?)?;
                    Some(Chunk {
                        key,
                        seq: chunk.seq,
                        text,
                        vector,
                    })
                });
                let chunks: Option<Vec<Chunk<'_>>> = chunks.collect();
                copy.add(connection, &chunks.ok_or_else(not_embedded)?).await?;
                continue;
            }
            self.insert_some(connection, &keys, chunks, vectors).await?;
        }
        Ok(())
    }

    /// Inserts chunks of the keys with these numbers (from 1).
    async fn insert_some(
        &self,
        connection: &mut PgConnection,
        keys: &[&Key],
        new: &[Inserted<'_>],
        vectors: Vectors<'_>,
    ) -> Result<(), DatabaseError> {
        let (mut numbers, mut seqs, mut chunks, mut places) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut distinct: Vec<&[f32]> = Vec::new();
        // equal texts share a vector
        let mut place_of: HashMap<usize, i32> = HashMap::new();
        let mut chunk_places = Places::default();
        for (number, chunk, chunk_place) in new {
            chunk_places.push(*chunk_place);
            let Some((text, vector)) = vectors.get(chunk.text) else {
                return Err(not_embedded());
            };
            let next = i32::try_from(place_of.len()).unwrap_or(i32::MAX);
            places.push(*place_of.entry(chunk.text).or_insert_with(|| {
                distinct.push(vector);
                next
            }));
            numbers.push(*number);
            seqs.push(chunk.seq);
            chunks.push(text);
        }
        let length = distinct.first().map_or(0, |vector| vector.len());
        let mut insert = with_keys(&self.insert, self.columns, keys)
            .bind(numbers)
            .bind(seqs)
            .bind(chunks)
            .bind(places)
            .bind(distinct.concat())
            .bind(i32::try_from(length).unwrap_or(i32::MAX));
        if self.has_places {
            insert = chunk_places.bind(insert);
        }
        insert.execute(connection).await?;
        Ok(())
    }
}

fn not_embedded() -> DatabaseError {
    DatabaseError::Bug("a chunk was not embedded before it is written".to_owned())
}
