//! What becomes known of a request while it is made: how many tokens it took, and who answered.

use std::cell::RefCell;
#[cfg(any(feature = "worker", test))]
use std::future::Future;

/// What an embedder said of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Call {
    /// As the provider counts them.
    pub(crate) input_tokens: Option<u64>,
    /// The server's name or address, and its port.
    pub(crate) server: Option<(String, Option<u16>)>,
}

tokio::task_local! {
    static CALL: RefCell<Call>;
}

/// Says how many tokens a provider counted in the texts of the request that is being made. An [`Embedder`](super::Embedder) of one's own
/// calls it in its [`embed`](super::Embedder::embed), in the task that that was called in; several calls add up.
///
/// The worker adds them to its report, its metrics and `pgai-sea status`. Elsewhere it does nothing.
pub fn report_input_tokens(tokens: u64) {
    // nobody may be listening
    let _ = CALL.try_with(|call| {
        let sum = &mut call.borrow_mut().input_tokens;
        *sum = Some(sum.unwrap_or_default().saturating_add(tokens));
    });
}

/// The same, for what stands at `pointer` in the part of an answer that speaks of it, if it is a number there.
pub(super) fn report_usage(usage: Option<&serde_json::Value>, pointer: &str) {
    if let Some(tokens) = usage.and_then(|usage| usage.pointer(pointer)?.as_u64()) {
        report_input_tokens(tokens);
    }
}

/// Says which server is asked.
pub(super) fn report_server(url: &reqwest::Url) {
    let _ = CALL.try_with(|call| {
        let host = url.host_str().map(|host| host.trim_matches(['[', ']']).to_owned());
        call.borrow_mut().server = host.map(|host| (host, url.port_or_known_default()));
    });
}

/// Runs `request` and answers what was said of it meanwhile: the worker listens.
#[cfg(any(feature = "worker", test))]
pub(crate) async fn observed<F: Future>(request: F) -> (F::Output, Call) {
    CALL.scope(RefCell::default(), async {
        let output = request.await;
        (output, CALL.with(RefCell::take))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_said_of_a_request_is_heard_and_elsewhere_it_does_nothing() {
        report_input_tokens(1);
        let (output, call) = observed(async {
            report_input_tokens(2);
            tokio::task::yield_now().await;
            report_input_tokens(3);
            report_server(&"https://me:secret@[::1]/v1?key=x".parse().unwrap());
            "output"
        })
        .await;
        assert_eq!(output, "output");
        let server = Some(("::1".to_owned(), Some(443)));
        let expected = Call {
            input_tokens: Some(5),
            server,
        };
        assert_eq!(call, expected);
        assert_eq!(observed(async {}).await.1, Call::default());
    }
}
