//! Panics of what is not the worker's own: an embedder, an expression's engine.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;

/// What the work comes to, or what it said when it panicked.
pub(crate) async fn caught<T>(work: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(said)
}

/// The same of what is no future.
pub(crate) fn caught_now<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    std::panic::catch_unwind(AssertUnwindSafe(work)).map_err(said)
}

fn said(panic: Box<dyn Any + Send>) -> String {
    let said = match panic.downcast::<String>() {
        Ok(said) => *said,
        Err(panic) => panic
            .downcast_ref::<&str>()
            .map_or_else(String::new, |said| (*said).to_owned()),
    };
    format!("it panicked: {said}")
}
