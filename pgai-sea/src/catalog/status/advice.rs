//! What to do about a vectorizer's state.

use super::counting::Backlog;
use super::{VectorizerState, VectorizerStatus};

/// One or two sentences, or nothing if there is nothing to do.
pub(super) fn advice(status: &VectorizerStatus, backlog: Option<&Backlog>) -> Option<String> {
    let name = &status.name;
    let nobody = status.workers == Some(0);
    let start = "No worker runs: start one with `pgai-sea worker`.";
    let again = if nobody {
        start
    } else {
        "The worker then goes on by itself."
    };
    match status.state {
        // what cannot be read says it in its error
        VectorizerState::InSync | VectorizerState::Working | VectorizerState::Unreadable => None,
        VectorizerState::Paused => Some(format!("`pgai-sea resume {name}` lets workers serve it again.")),
        VectorizerState::Failing => Some(format!(
            "Change what the error speaks of. {again} `pgai-sea errors {name}` lists earlier errors."
        )),
        VectorizerState::Waiting if nobody => Some(start.to_owned()),
        VectorizerState::Waiting if status.error.is_some() => {
            Some("Nothing, unless it lasts: the worker tries again by itself.".to_owned())
        }
        VectorizerState::Waiting
            if status.pending.is_some_and(|pending| pending.rows == 0)
                && status
                    .backfill
                    .as_ref()
                    .is_some_and(|backfill| backfill.batches.is_some()) =>
        {
            Some(format!(
                "Nothing while `pgai-sea backfill {name} --openai-batch` runs. If it does not, start it again: it goes \
                 on where it was. `pgai-sea backfill {name} --cancel` gives its rows to the workers."
            ))
        }
        VectorizerState::Waiting => match backlog {
            Some(backlog) if backlog.due == 0 && backlog.next_attempt.is_some() => Some(format!(
                "Rows have failed and wait for their next attempt. `pgai-sea errors {name}` says why, `pgai-sea retry \
                 {name}` tries them now."
            )),
            _ => Some("No worker has reported work on it yet. See that one serves it.".to_owned()),
        },
    }
}
