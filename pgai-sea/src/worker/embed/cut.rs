//! Which texts go together in a request.

use std::collections::VecDeque;
use std::ops::Range;

use crate::embedder::Embedder;

/// The most bytes of texts in one request, if it has more than one: proxies in front of servers refuse what is larger (nginx does), some
/// by hanging up, which cannot be told from a server that is down.
pub(super) const MOST_BYTES: usize = 1_000_000;

/// Cuts to the limits and to the tokens of a budget: ranges of `missing`, in their order.
pub(super) fn requests(
    missing: &[usize],
    texts: &[String],
    embedder: &dyn Embedder,
    budget: Option<u64>,
) -> VecDeque<Range<usize>> {
    let limits = embedder.limits();
    let budget = budget.map(|tokens| usize::try_from(tokens).unwrap_or(usize::MAX));
    let most = limits.tokens.into_iter().chain(budget).min();
    // No token is shorter than a byte: most batches need no counting.
    let bytes: usize = missing.iter().map(|&text| texts[text].len()).sum();
    let most = most.filter(|&most| bytes > most);
    let mut requests = VecDeque::new();
    let mut start = 0;
    let (mut tokens, mut bytes) = (0, 0);
    for (place, &text) in missing.iter().enumerate() {
        let text = &texts[text];
        let more = most.map_or(0, |_| embedder.count_tokens(text));
        let is_full = place - start >= limits.inputs
            || bytes + text.len() > MOST_BYTES
            || most.is_some_and(|most| tokens + more > most);
        if is_full && place > start {
            requests.push_back(start..place);
            start = place;
            (tokens, bytes) = (0, 0);
        }
        tokens += more;
        bytes += text.len();
    }
    if start < missing.len() {
        requests.push_back(start..missing.len());
    }
    requests
}
