//! Reading a batch's rows. If the database refuses to read them together, a row that cannot be read is found by reading
//! one by one.

use std::collections::HashSet;
use std::slice;

use super::blame::{FailedAlone, are_the_rows, may_be_a_row_that_is_read};
use super::chunk_change::StoredChunk;
use super::item::{Content, Failure, Item, Outcome, SourceRow};
use super::stop_reason::StopReason;
use crate::worker::connection::{Database, UNTRANSLATABLE};
use crate::worker::database_error::DatabaseError;
use crate::worker::protocol::Step;
use crate::worker::queue::ClaimedKey;
use crate::worker::queue::key_sql::Key;
use crate::worker::write::{Destination, RowsWithin, Writer};

/// A batch has about so many bytes of the loaded column at most. The rest goes back to the queue.
const MOST_BYTES: i64 = 16 << 20;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    /// Keys with their rows, if they have one, and their chunks in the store.
    pub(super) rows: Vec<(ClaimedKey, Option<SourceRow>, Vec<StoredChunk>)>,
    /// Keys for which there was no room.
    pub(super) left_out: Vec<Key>,
    /// Keys whose rows or documents could not be read.
    pub(super) unreadable: Vec<Item>,
}

/// What was read of a key.
enum Read {
    Row(Option<SourceRow>, Vec<StoredChunk>),
    LeftOut,
}

impl Loaded {
    fn add(&mut self, claimed: ClaimedKey, read: Read) {
        match read {
            Read::Row(row, stored) => self.rows.push((claimed, row, stored)),
            Read::LeftOut => self.left_out.push(claimed.key),
        }
    }
}

/// Reads the rows of the keys and their chunks in the store. `has_worked` says whether the vectorizer has written
/// chunks before, `may_be_more` whether more rows than these may be queued.
pub(super) async fn load(
    pool: &Database,
    writer: &Writer,
    (has_worked, may_be_more): (bool, bool),
    claimed: Vec<ClaimedKey>,
) -> Result<Loaded, StopReason> {
    match read(pool, writer, &claimed).await {
        Ok(read) => {
            let mut loaded = Loaded::default();
            let each = claimed.into_iter().zip(read);
            each.for_each(|(claimed, read)| loaded.add(claimed, read));
            Ok(loaded)
        }
        Err(error) if may_be_a_row_that_is_read(&error) => {
            one_by_one(pool, writer, (has_worked, may_be_more), claimed, error).await
        }
        Err(error) => Err(error.into()),
    }
}

/// Why a row could not be read.
struct Reason {
    words: String,
    /// Whether it can be nothing but what the row holds.
    is_certain: bool,
}

/// Bytes that are no text.
const NO_TEXT: &str = "22021";

impl From<DatabaseError> for Reason {
    fn from(error: DatabaseError) -> Self {
        let is_certain = error.has_state(&[NO_TEXT, UNTRANSLATABLE]);
        let words = if error.has_state(&[NO_TEXT]) {
            format!(
                "{error}: the database's encoding is SQL_ASCII, which takes any bytes, and these are no UTF-8; correct \
                 the row's text"
            )
        } else {
            error.to_string()
        };
        Self { words, is_certain }
    }
}

/// Reads the keys one by one. `together` is the error of reading them together.
async fn one_by_one(
    pool: &Database,
    writer: &Writer,
    (has_worked, may_be_more): (bool, bool),
    claimed: Vec<ClaimedKey>,
    together: DatabaseError,
) -> Result<Loaded, StopReason> {
    let mut loaded = Loaded::default();
    let mut unreadable = Vec::new();
    let mut bytes = 0;
    for claimed in claimed {
        if bytes >= MOST_BYTES {
            loaded.left_out.push(claimed.key);
            continue;
        }
        match read(pool, writer, slice::from_ref(&claimed)).await {
            Ok(read) => {
                for read in read {
                    if let Read::Row(Some(row), _) = &read {
                        bytes += i64::try_from(row.content.as_ref().map_or(0, Content::len)).unwrap_or(i64::MAX);
                    }
                    loaded.add(claimed.clone(), read);
                }
            }
            Err(error) if may_be_a_row_that_is_read(&error) => unreadable.push((claimed, Reason::from(error))),
            Err(error) => return Err(error.into()),
        }
    }
    let failed = unreadable.iter().map(|(claimed, reason)| FailedAlone {
        attempts: claimed.attempts,
        reason: &reason.words,
        is_certain: reason.is_certain,
    });
    let failed: Vec<FailedAlone<'_>> = failed.collect();
    // rows that can be read may stand behind a full claim of others, and never come to their turn
    let has_worked = has_worked || (may_be_more && failed.iter().all(|row| row.is_certain));
    if !are_the_rows(&failed, !loaded.rows.is_empty(), has_worked) {
        return Err(together.into());
    }
    for (claimed, reason) in unreadable {
        match writer.source.version(pool, &claimed.key).await? {
            Some(version) => loaded.unreadable.push(Item {
                key: claimed.key,
                attempts: claimed.attempts,
                seen: Some(SourceRow {
                    version,
                    content: None,
                    #[cfg(feature = "documents")]
                    document: None,
                    values: Vec::new(),
                    is_unreadable: true,
                }),
                outcome: Outcome::Failed(Failure::loading(reason.words)),
            }),
            // the row is gone by now
            None => loaded.left_out.push(claimed.key),
        }
    }
    Ok(loaded)
}

async fn read(pool: &Database, writer: &Writer, claimed: &[ClaimedKey]) -> Result<Vec<Read>, DatabaseError> {
    let keys: Vec<&Key> = claimed.iter().map(|claimed| &claimed.key).collect();
    let RowsWithin { rows, left_out } = writer.source.read_within(pool, &keys, MOST_BYTES).await?;
    let left_out: HashSet<usize> = left_out.into_iter().collect();
    let stays = |place: &usize| !left_out.contains(place);
    let reading: Vec<&Key> = (0..keys.len()).filter(stays).map(|place| keys[place]).collect();
    let stored = match &writer.destination {
        Destination::Table(store) => store.read(pool, &reading).await?,
        Destination::Column(_) => Vec::new(),
    };
    Step::Read.done();
    let mut stored = stored.into_iter();
    let read = rows.into_iter().enumerate().map(|(place, row)| {
        if stays(&place) {
            Read::Row(row, stored.next().unwrap_or_default())
        } else {
            Read::LeftOut
        }
    });
    Ok(read.collect())
}
