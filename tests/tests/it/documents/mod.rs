//! Documents: loading them, parsing them, and the worker that embeds them.

mod broken;
mod files;
mod forbidden;
mod formats;
mod objects;
mod support;
mod vectorizers;
