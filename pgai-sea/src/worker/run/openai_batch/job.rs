//! The steps of a backfill through batches: looking at rows, handing batches in, asking how far they are.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, info};

use super::rows::{Row, Rows};
use super::{BatchEvent, MOST_TEXTS, Run};
use crate::catalog::backfill::Kept;
use crate::embedder::{Batch, Batches, OpenAi, is_limit};
use crate::worker::backfill::Backfill;
use crate::worker::batch::stop_reason::StopReason;
use crate::worker::embed::given::name;
use crate::worker::prepare::PreparedVectorizer;
use crate::worker::queue::key_sql::Key;
use crate::worker::run::reporting::Reporter;

/// The most bytes of a batch's file. OpenAI takes 200 MB, and it is in memory.
const MOST_BYTES: usize = 64 << 20;
/// Rows that are looked at together, at most.
const LOOK: usize = 128;
/// A batch that is too large for the account's limits is halved, down to so many texts.
const FEWEST_TEXTS: usize = 10;

/// An attempt that has begun.
pub(super) struct Job<'j, 'r> {
    pub(super) run: &'j mut Run<'r>,
    pub(super) prepared: PreparedVectorizer,
    pub(super) openai: Arc<OpenAi>,
    pub(super) batches: Batches,
    pub(super) rows: Rows,
    pub(super) dimensions: usize,
    pub(super) most_texts: usize,
    pub(super) reporter: Reporter,
    /// The batch that was handed in while no other was at the provider.
    pub(super) alone: Option<i32>,
}

/// Texts for a batch, and where they end.
#[derive(Debug, Default)]
struct Drafted {
    lines: Vec<u8>,
    names: HashSet<String>,
    /// The last row that was looked at; `None` if no more follow.
    last: Option<Key>,
}

impl Job<'_, '_> {
    /// Works until all rows are written.
    pub(super) async fn run(&mut self) -> Result<(), StopReason> {
        loop {
            self.rows.check()?;
            let mut rows = self.rows.all().await?;
            let under_way = under_way(&rows);
            let at_once = if self.run.has_fitted { self.run.at_once } else { 1 };
            if under_way < at_once {
                let is_alone = under_way == 0;
                if let Some(new) = rows.iter().find(|row| row.is_new()) {
                    self.hand_in(new, None, is_alone).await?;
                    continue;
                }
                let has_more = rows.last().is_none_or(|last| last.last.is_some());
                if has_more && rows.len() < at_once {
                    self.add(rows.last(), is_alone).await?;
                    continue;
                }
            }
            self.look(&mut rows).await?;
            match rows.first() {
                Some(first) if first.is_ended() => {
                    if self.write(first).await? {
                        return Ok(());
                    }
                }
                _ => sleep(self.run.options.poll_interval).await,
            }
        }
    }

    pub(super) fn backfill(&self) -> Result<Arc<Backfill>, StopReason> {
        let backfill = self.prepared.backfill.clone();
        // it was there when the backfill was taken over
        backfill.ok_or(StopReason::Reconfigured)
    }

    /// What the catalog keeps of the backfill.
    async fn kept(&self) -> Result<Kept, StopReason> {
        let kept = self.backfill()?.kept(&self.run.shared.pool).await?;
        kept.ok_or(StopReason::Reconfigured)
    }

    /// Hands in the texts of the rows that follow.
    async fn add(&mut self, before: Option<&Row>, is_alone: bool) -> Result<(), StopReason> {
        let after = match before {
            Some(before) => before.last.clone(),
            None => self.kept().await?.position,
        };
        let drafted = self.draft((after.as_ref(), None), self.most_texts).await?;
        let number = before.map_or(1, |before| before.number + 1);
        let texts = drafted.names.len();
        let count = i32::try_from(texts).unwrap_or(i32::MAX);
        self.rows.keep().await?;
        self.rows
            .add(number, (after.as_ref(), drafted.last.as_ref()), count)
            .await?;
        info!(number, texts, "texts for a batch");
        let added = self.rows.all().await?;
        match added.iter().find(|row| row.number == number && row.is_new()) {
            Some(row) => self.hand_in(row, Some(drafted), is_alone).await,
            None => Ok(()),
        }
    }

    /// Looks at rows and collects the texts that have no vector yet, up to about so many.
    async fn draft(&mut self, (after, last): (Option<&Key>, Option<&Key>), most: usize) -> Result<Drafted, StopReason> {
        let (backfill, kept) = (self.backfill()?, self.kept().await?);
        let database = &self.prepared.database;
        let mut drafted = Drafted::default();
        let mut position = after.cloned();
        // a batch has about as many texts as were asked for, not those of another hundred rows
        let look = i64::try_from((most / 4).clamp(1, LOOK)).unwrap_or(1);
        loop {
            self.rows.check()?;
            let bounds = (position.as_ref(), last);
            let peeked = backfill.peek(database, &kept, bounds, look).await?;
            let mut found = Vec::new();
            let mut keys = peeked.keys;
            while !keys.is_empty() {
                let count = keys.len();
                let (texts, left_out) = self.prepared.pipeline.missing_texts(database, keys).await?;
                found.extend(texts);
                if left_out.len() == count {
                    break;
                }
                keys = left_out;
            }
            let bytes: usize = found.iter().map(String::len).sum();
            let (texts, is_full) = (drafted.names.len(), drafted.lines.len() + bytes > MOST_BYTES);
            if texts > 0 && (is_full || texts + found.len() > MOST_TEXTS) {
                // these rows are the next batch's
                drafted.last = position;
                return Ok(drafted);
            }
            self.line_up(&mut drafted, &found)?;
            position = peeked.last.or(position);
            if peeked.is_end {
                drafted.last = last.cloned();
                return Ok(drafted);
            }
            if last.is_none() && drafted.names.len() >= most {
                drafted.last = position;
                return Ok(drafted);
            }
        }
    }

    /// Adds a line for each text that has none. What is beyond a batch's limits has to go the ordinary way.
    fn line_up(&self, drafted: &mut Drafted, texts: &[String]) -> Result<(), StopReason> {
        for text in texts {
            if drafted.names.len() >= MOST_TEXTS || drafted.lines.len() + text.len() > 2 * MOST_BYTES {
                return Ok(());
            }
            let name = name(text);
            if drafted.names.contains(&name) {
                continue;
            }
            let line = self.openai.batch_line(&name, text)?;
            drafted.lines.extend_from_slice(line.as_bytes());
            drafted.lines.push(b'\n');
            drafted.names.insert(name);
        }
        Ok(())
    }

    /// Hands a batch in, unless it is at the provider already: the answer may have been lost, or who asked was killed.
    async fn hand_in(&mut self, row: &Row, drafted: Option<Drafted>, is_alone: bool) -> Result<(), StopReason> {
        let drafted = if let Some(drafted) = drafted {
            drafted
        } else {
            let since = u64::try_from(row.created).unwrap_or_default();
            if let Some(found) = self.batches.find(&row.token, since).await? {
                info!(batch = found.id, "the batch is at OpenAI already");
                return self.is_handed_in(row, &found, row.texts).await;
            }
            let bounds = (row.first_after.as_ref(), row.last.as_ref());
            self.draft(bounds, MOST_TEXTS).await?
        };
        if drafted.names.is_empty() {
            return Ok(self.rows.has_nothing(row.number).await?);
        }
        let name = format!("pgai-sea-{}.jsonl", row.token);
        let file = self.batches.upload(&name, &drafted.lines).await?;
        // from here on it is paid for
        self.rows.keep().await?;
        let batch = self.batches.create(&file, &row.token).await?;
        self.alone = is_alone.then_some(row.number);
        let texts = i32::try_from(drafted.names.len()).unwrap_or(i32::MAX);
        self.is_handed_in(row, &batch, texts).await
    }

    async fn is_handed_in(&mut self, row: &Row, batch: &Batch, texts: i32) -> Result<(), StopReason> {
        self.rows.handed_in(row.number, batch, texts).await?;
        self.run.options.tell(&BatchEvent::HandedIn {
            batch: batch.id.clone(),
            texts: u64::from(texts.unsigned_abs()),
        });
        Ok(())
    }

    /// Asks how far the batches are.
    async fn look(&mut self, rows: &mut Vec<Row>) -> Result<(), StopReason> {
        let mut failed = None;
        let others = under_way(rows).saturating_sub(1);
        for row in rows.iter_mut() {
            let Some(name) = row.batch.as_ref().filter(|_| !row.is_ended()) else {
                continue;
            };
            let batch = self.batches.get(name).await?;
            if batch.status == "failed" {
                // another one's turn comes with the next look
                failed.get_or_insert((row.clone(), batch));
                continue;
            }
            self.rows.looked_at(row.number, &batch).await?;
            self.run.has_fitted |= batch.status != "validating";
            let (done, _, total) = batch.counts();
            (row.state, row.done) = (batch.status.clone(), done);
            row.texts = if total > 0 { total } else { row.texts };
            (row.output_file, row.error_file) = (batch.output_file_id, batch.error_file_id);
        }
        if let Some((row, batch)) = failed {
            self.has_failed(&row, &batch, rows, others).await?;
            *rows = self.rows.all().await?;
        }
        let there = || rows.iter().filter(|row| row.batch.is_some());
        let sum = |number: fn(&Row) -> i32| -> u64 { there().map(|row| u64::from(number(row).unsigned_abs())).sum() };
        self.run.options.tell(&BatchEvent::LookedAt {
            batches: there().count(),
            texts: sum(|row| row.texts),
            done: sum(|row| row.done),
        });
        Ok(())
    }

    /// A batch failed as a whole: nothing of it was embedded or paid for. So many `others` were at the provider.
    async fn has_failed(&mut self, row: &Row, batch: &Batch, rows: &[Row], others: usize) -> Result<(), StopReason> {
        let (code, message) = batch.error();
        let words = format!("batch {} failed at OpenAI ({code}): {message}", batch.id);
        if let Some(file) = &row.input_file {
            self.remove(file).await;
        }
        if !is_limit(&code) {
            self.rows.hand_in_anew(row.number).await?;
            return Err(StopReason::Refused(words));
        }
        if self.alone == Some(row.number) {
            // it is larger than the limit
            self.most_texts = (self.most_texts.min(row.texts.unsigned_abs() as usize) / 2).max(FEWEST_TEXTS);
            (self.run.texts, self.run.has_fitted) = (self.most_texts, false);
            // a range that becomes smaller moves those that follow
            for later in rows.iter().rev().take_while(|later| later.number >= row.number) {
                self.rows.forget(later.number).await?;
            }
        } else {
            // it is handed in again when one of the others has ended
            self.run.at_once = others.max(1);
            if rows.last().is_some_and(|last| last.number == row.number) {
                self.rows.forget(row.number).await?;
            } else {
                self.rows.hand_in_anew(row.number).await?;
            }
        }
        self.run
            .options
            .waits(format!("{words}: its texts are handed in again later"));
        Ok(())
    }

    /// Removes a file at the provider, if it can be.
    pub(super) async fn remove(&self, file: &str) {
        if let Err(error) = self.batches.delete(file).await {
            debug!(%error, file, "a file stays at OpenAI until it expires");
        }
    }

    /// Waits for a moment.
    pub(super) async fn wait_until(&self, until: Instant) -> Result<(), StopReason> {
        sleep_until(until).await;
        self.rows.check()
    }
}

/// The batches that the provider is at.
fn under_way(rows: &[Row]) -> usize {
    rows.iter().filter(|row| row.batch.is_some() && !row.is_ended()).count()
}
