//! Which models there are on the Ollama side.

use std::collections::HashMap;

/// Models and their dimensions.
#[derive(Debug, Default)]
pub(super) struct Models {
    installed: HashMap<String, usize>,
    published: HashMap<String, usize>,
}

impl Models {
    pub(super) fn install(&mut self, model: &str, dimensions: usize) {
        self.installed.insert(model.to_owned(), dimensions);
    }

    pub(super) fn publish(&mut self, model: &str, dimensions: usize) {
        self.published.insert(model.to_owned(), dimensions);
    }

    pub(super) fn dimensions(&self, model: &str) -> Option<usize> {
        self.installed.get(model).copied()
    }

    /// Installs a published model; whether there is one.
    pub(super) fn pull(&mut self, model: &str) -> bool {
        match self.published.get(model) {
            Some(&dimensions) => {
                self.install(model, dimensions);
                true
            }
            None => self.installed.contains_key(model),
        }
    }
}
