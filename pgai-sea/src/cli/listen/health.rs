//! Whether the worker gets on.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::catalog::{VectorizerState, VectorizerStatus};
use crate::worker::Event;

/// What the worker's events tell.
#[derive(Debug)]
pub(super) struct Health {
    /// Without progress for so long although there is work, the worker is stuck.
    stalled_after: Duration,
    /// How often queues are looked at.
    pub(super) observe: Duration,
    heard: Mutex<Heard>,
}

#[derive(Debug)]
struct Heard {
    /// When rows were last done, or the worker began.
    progress: Instant,
    /// Since when there is work at every look.
    work: Option<Instant>,
    /// When the queues were last looked at, ..
    observed: Option<Instant>,
    /// .. and what has work, with what keeps the worker from it.
    left: Vec<String>,
}

impl Health {
    pub(super) fn new(stalled_after: Duration, observe: Duration) -> Self {
        Self {
            stalled_after,
            observe,
            heard: Mutex::new(Heard {
                progress: Instant::now(),
                work: None,
                observed: None,
                left: Vec::new(),
            }),
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn hear(&self, event: &Event) {
        match event {
            // told where rows were done, or have failed for this time
            Event::Batch(_) => self.heard().progress = Instant::now(),
            Event::Observed(statuses) => {
                let left: Vec<String> = statuses
                    .iter()
                    .filter(|status| has_work(status))
                    .map(describe)
                    .collect();
                let mut heard = self.heard();
                let now = Instant::now();
                heard.work = if left.is_empty() {
                    None
                } else {
                    heard.work.or(Some(now))
                };
                heard.observed = Some(now);
                heard.left = left;
            }
            _ => {}
        }
    }

    /// Whether the worker gets on, or has nothing to do.
    pub(super) fn live(&self) -> Result<String, String> {
        let heard = self.heard();
        let idle = heard.work.map(|since| since.elapsed().min(heard.progress.elapsed()));
        match idle {
            Some(idle) if idle >= self.stalled_after => Err(format!(
                "no row was done for {} although there is work: {}",
                humantime::format_duration(Duration::from_secs(idle.as_secs())),
                heard.left.join("; ")
            )),
            _ => Ok("live".to_owned()),
        }
    }

    /// Whether the database is there.
    pub(super) fn ready(&self) -> Result<String, String> {
        match self.heard().observed {
            None => Err("the database has not been read yet".to_owned()),
            Some(observed) if observed.elapsed() > self.observe * 3 => Err(format!(
                "the database has not been read for {}",
                humantime::format_duration(Duration::from_secs(observed.elapsed().as_secs()))
            )),
            Some(_) => Ok("ready".to_owned()),
        }
    }
}

/// Whether rows are due, or are held though no other worker runs that could hold them.
fn has_work(status: &VectorizerStatus) -> bool {
    let is_alone = status.workers.is_some_and(|workers| workers <= 1);
    let is_held =
        is_alone && status.state == VectorizerState::Working && status.pending.is_some_and(|rows| rows.rows > 0);
    status.state != VectorizerState::Paused && (status.due.is_some_and(|rows| rows > 0) || is_held)
}

fn describe(status: &VectorizerStatus) -> String {
    let due = status.due.unwrap_or_default();
    match &status.error {
        Some(error) => format!(
            "{} is {}, {due} rows are due: {}",
            status.name, status.state, error.message
        ),
        None => format!("{} is {}, {due} rows are due", status.name, status.state),
    }
}
