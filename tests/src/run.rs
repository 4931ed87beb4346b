//! Running a test's body on a database of its own.

use std::any::{Any, type_name_of_val};
use std::error::Error;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{LocalBoxFuture, join_all};
use tokio::time::timeout;

use real_parts::{Postgres, Version};

use crate::server::{chain, server, server_of};
use crate::{Catalog, TestDatabase};

/// What a test's body returns: any error fails the test.
pub type TestResult = Result<(), Box<dyn Error + Send + Sync>>;

/// Several times what any test's body takes: one that waits for what never comes fails, and the others go on.
const PATIENCE: Duration = Duration::from_mins(20);

/// The outcome of a test's body, which may be that it did not end.
pub(crate) async fn in_time(body: LocalBoxFuture<'_, TestResult>) -> TestResult {
    timeout(PATIENCE, body)
        .await
        .unwrap_or_else(|_| Err(format!("it still ran after {PATIENCE:?}").into()))
}

/// Runs `body` on our own catalog and on pgai's side by side, each in a new database. A failure says on which one it
/// was.
pub async fn on_both_catalogs(body: impl AsyncFn(TestDatabase) -> TestResult) {
    run(server(), &Catalog::BOTH, &test(&body), test_name(&body)).await;
}

/// Runs `body` on one catalog, in a new database.
pub async fn on_catalog(catalog: Catalog, body: impl AsyncFn(TestDatabase) -> TestResult) {
    run(server(), &[catalog], &test(&body), test_name(&body)).await;
}

/// The same for a benchmark, which has no limit of time.
pub async fn measure_on(catalog: Catalog, body: impl AsyncFn(TestDatabase) -> TestResult) {
    run(server(), &[catalog], &body, test_name(&body)).await;
}

/// `body` with a bound on its time.
fn test(body: &impl AsyncFn(TestDatabase) -> TestResult) -> impl AsyncFn(TestDatabase) -> TestResult {
    async move |database| in_time(body(database).boxed_local()).await
}

/// Runs `body` on both catalogs on a server of this version.
///
/// The server that `DATABASE_URL` names has to be of this version.
pub async fn on_version(version: Version, body: impl AsyncFn(TestDatabase) -> TestResult) {
    run(server_of(version), &Catalog::BOTH, &test(&body), test_name(&body)).await;
}

/// Runs `body` on these catalogs at the same time. Where one fails, the other still comes to its end.
async fn run(
    server: &'static Postgres,
    catalogs: &[Catalog],
    body: &impl AsyncFn(TestDatabase) -> TestResult,
    test: &'static str,
) {
    let runs = catalogs
        .iter()
        .map(|&catalog| AssertUnwindSafe(run_on(server, catalog, body, test)).catch_unwind());
    for outcome in join_all(runs).await {
        outcome.unwrap_or_else(|panic| resume_unwind(panic));
    }
}

/// The database is dropped if `body` succeeds, and kept and named if it fails or panics.
async fn run_on(
    server: &'static Postgres,
    catalog: Catalog,
    body: &impl AsyncFn(TestDatabase) -> TestResult,
    test: &'static str,
) {
    let database = match TestDatabase::create(server, test, catalog).await {
        Ok(database) => database,
        Err(error) => panic!("{test}: no database with {catalog}: {}", chain(&error)),
    };
    let outcome = AssertUnwindSafe(body(database.clone())).catch_unwind().await;
    let failure = match outcome {
        Ok(Ok(())) => {
            if let Err(error) = database.drop().await {
                panic!("{test}: its database cannot be dropped: {}", chain(&error));
            }
            return;
        }
        Ok(Err(error)) => Failure::Error(chain(&*error)),
        Err(panic) => Failure::Panic(panic),
    };
    let url = database.url.clone();
    // what the test has open should not hold up who looks into the database; nor is it waited for
    timeout(Duration::from_secs(2), database.db.close()).await.ok();
    let kept = if server.is_started() {
        "to look into its database, run it with DATABASE_URL set to what `cargo run -p real-parts` prints".to_owned()
    } else {
        format!("its database is kept: {url}")
    };
    match failure {
        Failure::Error(error) => panic!("{test} failed on {catalog}: {error}\n{kept}"),
        Failure::Panic(panic) => {
            #[expect(clippy::print_stderr, reason = "the test's own output, shown with its failure")]
            {
                eprintln!("{test} panicked on {catalog}; {kept}");
            }
            resume_unwind(panic)
        }
    }
}

enum Failure {
    Error(String),
    Panic(Box<dyn Any + Send>),
}

/// The test that `body` is written in: `it::worker::an_edit::{{closure}}::{{closure}}` without its ends.
fn test_name<F>(body: &F) -> &'static str {
    let name = type_name_of_val(body);
    let name = name.split("::{{closure}}").next().unwrap_or(name);
    name.split_once("::").map_or(name, |(_crate, name)| name)
}
