//! Progress bars, one per vectorizer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::worker::Progress;

#[derive(Clone, Debug)]
pub(super) struct Bars {
    all: MultiProgress,
    bars: Arc<Mutex<HashMap<String, ProgressBar>>>,
}

impl Bars {
    pub(super) fn new() -> Self {
        Self {
            all: MultiProgress::new(),
            bars: Arc::default(),
        }
    }

    pub(super) fn show(&self, progress: &Progress) {
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = bars.entry(progress.vectorizer.clone()).or_insert_with(|| {
            let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} rows, {per_sec}, {eta} left");
            let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            self.all.add(bar.with_message(progress.vectorizer.clone()))
        });
        // the queue may grow meanwhile, and holds a row as often as it was written
        bar.set_length(progress.counts.rows + progress.pending);
        bar.set_position(progress.counts.rows);
    }

    pub(super) fn finish(&self) {
        for bar in self.bars.lock().unwrap_or_else(PoisonError::into_inner).values() {
            bar.finish_and_clear();
        }
    }
}
