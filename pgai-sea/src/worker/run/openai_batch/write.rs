//! A batch that has come back: its vectors are read, its rows are queued and embedded with them.

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::BatchEvent;
use super::job::Job;
use super::rows::Row;
use crate::embedder::Answered;
use crate::pgvector::check_vector;
use crate::worker::backfill::Turn;
use crate::worker::backoff::Backoff;
use crate::worker::batch::Batch;
use crate::worker::batch::stop_reason::StopReason;
use crate::worker::queue::{Claim, Cursor};

/// What the files of a batch say.
#[derive(Debug, Default)]
struct Answers {
    texts: u64,
    tokens: u64,
    /// What was said of a text that has no vector.
    reason: Option<String>,
}

impl Job<'_, '_> {
    /// Writes the rows of the first batch. Returns whether they were the last.
    pub(super) async fn write(&mut self, row: &Row) -> Result<bool, StopReason> {
        let answers = self.download(row).await?;
        let failed = u64::from(row.texts.unsigned_abs()).saturating_sub(answers.texts);
        let is_whole = self.is_whole(row).await?;
        self.reporter.is_busy();
        let written = self.write_rows(row).await;
        self.run.shared.settings.given.clear();
        self.reporter.is_idle();
        if is_whole {
            self.reporter.tokens(answers.tokens);
        }
        self.reporter.track().await;
        written?;
        // it may have been the limit of an account that has less to do now
        self.run.at_once = (self.run.at_once + 1).min(self.run.options.at_once);
        self.run.report.batches += u64::from(row.batch.is_some());
        self.run.report.texts += answers.texts;
        self.run.report.failed += failed;
        let reason = (failed > 0).then(|| match row.state.as_str() {
            "completed" => answers.reason.unwrap_or_else(|| "it has no answer to them".to_owned()),
            state => format!("the batch has {state}"),
        });
        self.run.options.tell(&BatchEvent::Written {
            batch: row.batch.clone().unwrap_or_default(),
            texts: answers.texts,
            failed,
            reason,
            rows: self.run.report.rows,
        });
        for file in [&row.input_file, &row.output_file, &row.error_file]
            .into_iter()
            .flatten()
        {
            self.remove(file).await;
        }
        if row.last.is_none() {
            let identity = &self.prepared.identity;
            identity.look(&self.run.shared.pool, &self.prepared.database).await?;
        }
        Ok(row.last.is_none())
    }

    /// Whether none of its rows was queued before, by a process that was killed.
    async fn is_whole(&self, row: &Row) -> Result<bool, StopReason> {
        let kept = self.backfill()?.kept(&self.run.shared.pool).await?;
        Ok(kept.is_some_and(|kept| kept.position == row.first_after))
    }

    /// Reads the vectors.
    async fn download(&mut self, row: &Row) -> Result<Answers, StopReason> {
        let given = &self.run.shared.settings.given;
        given.clear();
        let mut answers = Answers::default();
        let most = row.texts.unsigned_abs() as usize;
        let dimensions = self.dimensions;
        for file in [&row.output_file, &row.error_file].into_iter().flatten() {
            let each = |answered: Answered| {
                answers.tokens += answered.tokens;
                match answered.vector {
                    // a text with another vector is asked for anew, and judged by that answer
                    Ok(vector) if check_vector(&vector, dimensions).is_ok() => {
                        given.keep(&answered.id, vector);
                    }
                    Ok(_) => answers.reason = Some("a vector is not of the configured length".to_owned()),
                    Err(reason) => answers.reason = Some(reason),
                }
            };
            self.batches.answers(file, most, each).await?;
        }
        answers.texts = given.len() as u64;
        Ok(answers)
    }

    /// Queues the rows a few at a time, and embeds them.
    async fn write_rows(&mut self, row: &Row) -> Result<(), StopReason> {
        let (backfill, pool) = (self.backfill()?, self.run.shared.pool.clone());
        let (database, lease) = (self.prepared.database.clone(), self.run.shared.settings.lease);
        let turn = Turn {
            holder: self.rows.holder().to_owned(),
            number: row.number,
            last: row.last.clone(),
        };
        let most = self.prepared.concurrency + 1;
        let mut backoff = Backoff::new(super::WAITS.0, super::WAITS.1);
        let mut running: JoinSet<Batch> = JoinSet::new();
        let (mut is_over, mut stopped) = (false, None);
        // rows that were leased, and went back to the queue
        let mut left = 0;
        loop {
            while !is_over && stopped.is_none() && running.len() < most {
                if let Some(until) = backfill.waits_until(&pool).await? {
                    if !running.is_empty() {
                        break;
                    }
                    self.wait_until(until).await?;
                    continue;
                }
                let taken = backfill.take(&database, &turn, self.prepared.batch_size.into(), lease);
                match taken.await {
                    Ok(taken) => {
                        is_over = taken.is_over;
                        if let Some(claim) = taken.claim {
                            left += claim.keys.len();
                            self.start(&mut running, claim);
                        }
                    }
                    Err(error) => stopped = Some(StopReason::from(error)),
                }
            }
            match running.join_next().await {
                Some(Ok(batch)) => {
                    left = left.saturating_sub(self.ended(&batch).await);
                    match batch.stop_reason {
                        // texts that the batch has no vector of: their rows are any worker's now
                        Some(StopReason::Provider { message, retry_after }) => {
                            self.run.options.waits(message);
                            sleep(backoff.next(retry_after)).await;
                        }
                        Some(reason) => stopped = Some(reason),
                        None => backoff.reset(),
                    }
                }
                Some(Err(error)) => {
                    stopped = Some(StopReason::Refused(format!("a batch stopped unexpectedly: {error}")));
                }
                None if is_over || stopped.is_some() => break,
                None => {}
            }
        }
        match stopped {
            Some(reason) => Err(reason),
            None => self.finish(left).await,
        }
    }

    /// Rows that somebody had locked, or edited, went back to the queue. They are tried once more while their vectors
    /// are here. What is left then is the workers'.
    async fn finish(&mut self, mut left: usize) -> Result<(), StopReason> {
        let (database, lease) = (self.prepared.database.clone(), self.run.shared.settings.lease);
        let mut cursor = Cursor::front();
        let mut running = JoinSet::new();
        while left > 0 {
            let most = self.prepared.batch_size.min(i32::try_from(left).unwrap_or(i32::MAX));
            let queue = &self.prepared.queue;
            let Some(claim) = queue.claim(&database, most.into(), lease, &mut cursor).await? else {
                break;
            };
            left = left.saturating_sub(claim.keys.len());
            self.start(&mut running, claim);
            while let Some(ended) = running.join_next().await {
                if let Ok(batch) = ended {
                    self.ended(&batch).await;
                }
            }
        }
        Ok(())
    }

    fn start(&self, running: &mut JoinSet<Batch>, claim: Claim) {
        let pipeline = self.prepared.pipeline.clone();
        let database = self.prepared.database.clone();
        let in_hand = database.in_hand();
        running.spawn(pipeline.run(database, claim, in_hand));
    }

    /// Reports on a batch. Returns how many rows are done with.
    async fn ended(&mut self, batch: &Batch) -> usize {
        let counts = batch.outcome.counts;
        self.run.add(counts);
        self.reporter.batch(batch, &self.prepared.pipeline.writer.dead_letters);
        self.reporter.progress(&self.prepared.queue, false).await;
        usize::try_from(counts.rows + counts.deferred + counts.dead_letters).unwrap_or(usize::MAX)
    }
}
