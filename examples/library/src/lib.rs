//! A folder of documents whose pages are found by what they say.
//!
//! Drop a PDF into the folder, and ask for something that it says: the page shows the document, the page in it, and the
//! passage. Three things run side by side: the folder is written into a table, a worker embeds the documents, and axum
//! serves the page.

pub mod document;
mod failures;
mod files;
pub mod migration;
mod page;
mod service;

pub use self::service::{Error, Library, router, run};
