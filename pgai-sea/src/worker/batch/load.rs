//! Reading what a batch is about. A row that cannot be read, since its bytes are no text or are damaged, is found by reading one by one.

use std::collections::HashSet;
use std::slice;
use std::sync::atomic::Ordering;

use sea_orm::sqlx::Error;

use crate::worker::batch::MOST_BYTES;
use crate::worker::batch::stop_reason::{Trouble, may_be_a_rows_to_read};
use crate::worker::connection::Database;
use crate::worker::prepare::{Assignment, Destination};
use crate::worker::protocol::Step;
use crate::worker::queue::ClaimedKey;
use crate::worker::queue::dead_letters::Failure;
use crate::worker::queue::key_sql::Key;
use crate::worker::write::commit::{Item, Outcome};
use crate::worker::write::source::{Rows, SourceRow};
use crate::worker::write::store::StoredChunk;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    /// Keys with their rows, if they have one, and what stands in the store.
    pub(super) rows: Vec<(ClaimedKey, Option<SourceRow>, Vec<StoredChunk>)>,
    /// Keys for which there was no room.
    pub(super) left_out: Vec<Key>,
    /// Keys whose rows could not be read.
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

pub(super) async fn load(
    pool: &Database,
    assignment: &Assignment,
    claimed: Vec<ClaimedKey>,
) -> Result<Loaded, Trouble> {
    let mut loaded = Loaded::default();
    match read(pool, assignment, &claimed).await {
        Ok(read) => {
            let each = claimed.into_iter().zip(read);
            each.for_each(|(claimed, read)| loaded.add(claimed, read));
            Ok(loaded)
        }
        Err(error) if may_be_a_rows_to_read(&error) => one_by_one(pool, assignment, claimed, error).await,
        Err(error) => Err(error.into()),
    }
}

/// Reads the keys one by one after `together` has kept them from being read together.
async fn one_by_one(
    pool: &Database,
    assignment: &Assignment,
    claimed: Vec<ClaimedKey>,
    together: Error,
) -> Result<Loaded, Trouble> {
    let mut loaded = Loaded::default();
    let mut unreadable = Vec::new();
    let mut bytes = 0;
    for claimed in claimed {
        if bytes >= MOST_BYTES {
            loaded.left_out.push(claimed.key);
            continue;
        }
        match read(pool, assignment, slice::from_ref(&claimed)).await {
            Ok(read) => {
                for read in read {
                    if let Read::Row(Some(row), _) = &read {
                        bytes += i64::try_from(row.text.as_ref().map_or(0, String::len)).unwrap_or(i64::MAX);
                    }
                    loaded.add(claimed.clone(), read);
                }
            }
            Err(error) if may_be_a_rows_to_read(&error) => unreadable.push((claimed, error.to_string())),
            Err(error) => return Err(error.into()),
        }
    }
    // as for what cannot be written: where nothing can be, and nothing ever was or all for the same reason, it is not the rows
    let was_blamed = unreadable.iter().all(|(claimed, _)| claimed.attempts > 0);
    let is_alike = unreadable.len() > 1 && unreadable.windows(2).all(|pair| pair[0].1 == pair[1].1);
    let has_written = assignment.has_written.load(Ordering::Relaxed);
    if loaded.rows.is_empty() && !was_blamed && (!has_written || is_alike) {
        return Err(together.into());
    }
    for (claimed, reason) in unreadable {
        match assignment.source.version(pool, &claimed.key).await? {
            Some(version) => loaded.unreadable.push(Item {
                key: claimed.key,
                attempts: claimed.attempts,
                seen: Some(SourceRow {
                    version,
                    text: None,
                    values: Vec::new(),
                }),
                outcome: Outcome::Failed(Failure::loading(reason)),
            }),
            // gone meanwhile
            None => loaded.left_out.push(claimed.key),
        }
    }
    Ok(loaded)
}

async fn read(pool: &Database, assignment: &Assignment, claimed: &[ClaimedKey]) -> Result<Vec<Read>, Error> {
    let keys: Vec<&Key> = claimed.iter().map(|claimed| &claimed.key).collect();
    let Rows { rows, left_out } = assignment.source.read_within(pool, &keys, MOST_BYTES).await?;
    let left_out: HashSet<usize> = left_out.into_iter().collect();
    let stays = |place: &usize| !left_out.contains(place);
    let reading: Vec<&Key> = (0..keys.len()).filter(stays).map(|place| keys[place]).collect();
    let stored = match &assignment.destination {
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
