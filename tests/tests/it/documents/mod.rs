//! Documents: loading them, parsing them, and the worker that embeds them.

mod broken;
mod changing;
mod files;
mod forbidden;
mod formats;
mod objects;
mod places;
mod structure;
mod support;
mod sync;
mod vectorizers;
