//! The real worker's steps, in the order in which it took them, are possible in the specification, and both end with
//! the same queue and the same embeddings.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_catalog};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::Dispatch;
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use super::protocol::{Action, Protocol, Safeguards, State, Step};
use crate::worker::support::{Gate, posts, queued, run, soon, start, worker};

const PROTOCOL: Protocol = Protocol {
    operations: 10,
    claims: 10,
    safeguards: Safeguards {
        key_lock: true,
        row_lock: true,
        second_look: true,
        stamp: true,
    },
};

/// Collects the steps that workers of this thread tell, and that there was nothing to claim.
#[derive(Clone, Debug, Default)]
struct Trace {
    steps: Arc<Mutex<Vec<Step>>>,
    exhausted: Arc<watch::Sender<usize>>,
}

impl Trace {
    /// Records for as long as what this returns is kept.
    ///
    /// As long as there is one subscriber, whoever tells an event first decides for all threads whether it is heard,
    /// and another test's thread hears nothing. With two, all are asked.
    fn record(&self) -> (DefaultGuard, Dispatch) {
        let second = Dispatch::new(tracing_subscriber::registry().with(self.clone()));
        let first = tracing_subscriber::registry().with(self.clone());
        (tracing::subscriber::set_default(first), second)
    }

    /// The steps since the last call.
    fn take(&self) -> Vec<Step> {
        std::mem::take(&mut *self.steps.lock().unwrap())
    }

    /// Waits until so many claims have found nothing.
    async fn exhausted(&self, claims: usize) {
        let mut exhausted = self.exhausted.subscribe();
        let waited = timeout(Duration::from_mins(1), exhausted.wait_for(|count| *count >= claims));
        waited.await.unwrap().unwrap();
    }
}

impl<S: tracing::Subscriber> Layer<S> for Trace {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "pgai_sea::worker::protocol" {
            event.record(&mut self.clone());
        }
    }
}

impl Visit for Trace {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "step" {
            let name = format!("{value:?}");
            let step = Step::ALL.into_iter().find(|step| format!("{step:?}") == name);
            let step = step.unwrap_or_else(|| panic!("the specification has no step {name}"));
            self.steps.lock().unwrap().push(step);
        }
    }

    fn record_bool(&mut self, field: &Field, _: bool) {
        if field.name() == "nothing_to_claim" {
            self.exhausted.send_modify(|count| *count += 1);
        }
    }
}

/// Takes a worker's steps in the specification.
///
/// The specification gives a key back at once where it finds it changed or busy; the worker does so with the commit
/// that ends the batch.
fn follow(state: &mut State, worker: usize, steps: &[Step]) {
    let mut gave_back = false;
    for step in steps {
        if !gave_back {
            let before = state.clone();
            let is_possible = state.take(PROTOCOL, Action::Worker(worker, *step));
            assert!(is_possible, "{step:?} of {steps:?} is not possible in {before:?}");
        }
        gave_back = state.is_idle(worker) && *step != Step::Commit;
        assert!(!gave_back || *step != Step::Claim, "{steps:?}");
    }
}

/// Queue and store are those of the specification.
async fn assert_same(test: &TestDatabase, state: &State) -> TestResult {
    assert_eq!(queued(test).await == 0, state.queue_is_empty(), "{state:?}");
    let stored = test
        .value::<Option<String>>("select string_agg(chunk, '|') from posts_embedding_store")
        .await?;
    assert_eq!(stored, state.store().map(|text| format!("T: text {text}")));
    Ok(())
}

/// A row, and a worker that has read it and waits for its vectors.
async fn reading(test: &TestDatabase, gate: &Arc<Gate>, trace: &Trace) -> Result<State, sea_orm::DbErr> {
    let state = State::new(PROTOCOL);
    posts(test).await?;
    test.execute("insert into posts values (1, 'T', 'text 0')").await?;
    gate.hold();
    trace.take();
    Ok(state)
}

#[tokio::test]
async fn whatever_an_application_does_while_a_row_is_embedded() {
    use Action::{Commit, Delete, Edit, Insert, Truncate};
    let scenarios: [(&str, &[Action]); 6] = [
        ("", &[]),
        ("update posts set body = 'text 1'", &[Edit(1), Commit]),
        (
            "update posts set body = 'text 1'; update posts set body = 'text 0'",
            &[Edit(1), Commit, Edit(0), Commit],
        ),
        ("delete from posts", &[Delete, Commit]),
        (
            "delete from posts; insert into posts values (1, 'T', 'text 1')",
            &[Delete, Commit, Insert(1), Commit],
        ),
        ("truncate posts", &[Truncate]),
    ];
    for catalog in Catalog::BOTH {
        for (sql, actions) in scenarios {
            on_catalog(catalog, async |test| {
                let (trace, gate) = (Trace::default(), Gate::new());
                let _recording = trace.record();
                let mut state = reading(&test, &gate, &trace).await?;
                let running = start(worker(&test, &gate).poll_interval(Duration::from_hours(1)));
                gate.wait_for(1).await;
                // it looks a few times before it sleeps: no claim is under way then
                trace.exhausted(if catalog == Catalog::Ours { 6 } else { 1 }).await;
                let steps = trace.take();
                assert_eq!(steps, [Step::Claim, Step::Read]);
                follow(&mut state, 0, &steps);
                // it claims nothing more: of two batches at once, steps are not told in the order in which they were
                // taken
                let (_, written) = tokio::join!(running.stop(), async {
                    for _ in 0..100 {
                        tokio::task::yield_now().await;
                    }
                    for statement in sql.split_inclusive(';') {
                        test.execute(statement).await?;
                    }
                    gate.release();
                    Ok::<(), sea_orm::DbErr>(())
                });
                written?;
                for action in actions {
                    assert!(state.take(PROTOCOL, *action), "{action:?} is not possible in {state:?}");
                }
                let steps = trace.take();
                assert_eq!(steps.last(), Some(&Step::Commit), "{steps:?}");
                follow(&mut state, 0, &steps);
                assert_same(&test, &state).await?;
                // what was queued meanwhile
                run(&test, &gate).await;
                follow(&mut state, 0, &trace.take());
                assert!(state.queue_is_empty(), "{state:?}");
                assert_same(&test, &state).await
            })
            .await;
        }
    }
}

#[tokio::test]
async fn another_worker_carries_on_after_one_died() {
    for catalog in Catalog::BOTH {
        on_catalog(catalog, async |test| {
            let (trace, gate) = (Trace::default(), Gate::new());
            let _recording = trace.record();
            let mut state = reading(&test, &gate, &trace).await?;
            let dying = start(worker(&test, &gate).lease(Duration::from_secs(1)));
            gate.wait_for(1).await;
            dying.abort().await;
            let steps = trace.take();
            assert_eq!(steps, [Step::Claim, Step::Read]);
            follow(&mut state, 0, &steps);
            for action in [Action::Die(0), Action::Expire(0)] {
                assert!(state.take(PROTOCOL, action), "{action:?} is not possible in {state:?}");
            }
            gate.release();
            let running = start(worker(&test, &gate));
            soon(async || queued(&test).await == 0).await;
            running.stop().await;
            let steps = trace.take();
            assert!(steps.contains(&Step::Commit), "{steps:?}");
            follow(&mut state, 1, &steps);
            assert_same(&test, &state).await
        })
        .await;
    }
}
