//! The specification of the claim and write protocol, checked in every interleaving at small scope: one key, two
//! workers, one of which may die, and an application that edits, deletes, inserts and truncates.
//!
//! It follows the worker's statements one by one: what one statement does, and what a commit makes visible, is one
//! step. Its steps have the names of `pgai_sea::worker`'s `protocol::Step`, and `trace` checks that the real worker
//! does what is specified here. The same specification with one of its safeguards left out is refuted, so that the
//! proof proves something.

mod protocol;
mod trace;

use pgai_sea_tests::rounds;
use stateright::{Checker, Expectation, Model, Property};

use self::protocol::{Action, Protocol, Safeguards, State, Step};

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(*self)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend(
            Action::all(*self)
                .into_iter()
                .filter(|action| state.clone().take(*self, *action)),
        );
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        next.take(*self, action).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            // the third promise; it speaks of what is committed, whatever anybody is in the middle of
            Property {
                expectation: Expectation::Always,
                name: RIGHT,
                condition: |_, state| !state.queue_is_empty() || state.store() == state.text(),
            },
            Property {
                expectation: Expectation::Sometimes,
                name: "an edit is embedded",
                condition: |protocol, state| {
                    state.queue_is_empty() && state.ops_left() < protocol.operations && state.store().is_some()
                },
            },
            Property {
                expectation: Expectation::Sometimes,
                name: "a dead worker's key is embedded by the other",
                condition: |_, state| state.queue_is_empty() && state.has_dead() && state.store().is_some(),
            },
            Property {
                expectation: Expectation::Sometimes,
                name: "an overtaken text is written",
                condition: |_, state| {
                    !state.queue_is_empty() && state.store().is_some() && state.store() != state.text()
                },
            },
        ]
    }
}

const RIGHT: &str = "an empty queue means the right embeddings";

#[test]
fn no_interleaving_leaves_anything_stale() {
    let protocol = Protocol {
        // each more takes ten times as long
        operations: if rounds(1) > 1 { 4 } else { 3 },
        claims: 3,
        safeguards: Safeguards::default(),
    };
    let checker = protocol.checker().spawn_bfs().join();
    assert!(checker.is_done());
    assert!(
        checker.unique_state_count() > 10_000,
        "{} states",
        checker.unique_state_count()
    );
    checker.assert_properties();
}

/// Checks that without one safeguard something stale is left, and says by which steps.
fn refuted(safeguards: Safeguards) -> Vec<Action> {
    let protocol = Protocol {
        operations: 2,
        claims: 3,
        safeguards,
    };
    let checker = protocol.checker().spawn_bfs().join();
    let path = checker.discovery(RIGHT);
    path.unwrap_or_else(|| panic!("{safeguards:?} is as good"))
        .into_actions()
}

#[test]
fn without_any_one_safeguard_something_stale_is_left() {
    let all = Safeguards::default();
    // a delete or an edit between reading and writing
    let actions = refuted(Safeguards {
        second_look: false,
        ..all
    });
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::Worker(_, Step::Look))),
        "{actions:?}"
    );
    // a row that an edit has queued since is taken off the queue with the old one
    refuted(Safeguards { stamp: false, ..all });
    // a delete after the second look does not see what is about to be written
    refuted(Safeguards { row_lock: false, ..all });
    // two workers that write at once
    refuted(Safeguards { key_lock: false, ..all });
}
