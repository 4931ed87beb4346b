//! Which texts share a request.

use std::collections::VecDeque;
use std::ops::Range;

use crate::embedder::Embedder;

/// The most bytes of texts in a request with more than one text. Proxies refuse larger requests (nginx does). Some hang
/// up, which looks like a server that is down.
pub(super) const MOST_BYTES: usize = 1_000_000;
/// The tokens of a request with so many bytes are not counted any more: to count them takes longer than another
/// request.
const BYTES_WORTH_SENDING: usize = 100_000;

/// Divides the texts of `missing` into requests within the embedder's limits and the tokens of a budget: ranges of
/// `missing`, in order.
pub(super) fn divide(
    missing: &[usize],
    texts: &[String],
    embedder: &dyn Embedder,
    budget: Option<u64>,
) -> VecDeque<Range<usize>> {
    let limits = embedder.limits();
    let budget = budget.map(|tokens| usize::try_from(tokens).unwrap_or(usize::MAX));
    let most_tokens = limits.tokens.into_iter().chain(budget).min().unwrap_or(usize::MAX);
    let mut requests = VecDeque::new();
    let mut open = Open::default();
    for (place, &text) in missing.iter().enumerate() {
        let text = &texts[text];
        let bytes = open.bytes + text.len();
        let too_many_tokens = |open: &mut Open| open.tokens(&missing[..=place], texts, embedder) > most_tokens;
        let is_full = place - open.start >= limits.inputs
            || bytes > MOST_BYTES
            // no token is shorter than a byte: few bytes need not be counted
            || bytes > most_tokens
                && (open.bytes >= BYTES_WORTH_SENDING || too_many_tokens(&mut open));
        if is_full && place > open.start {
            requests.push_back(open.start..place);
            open = Open::at(place);
        }
        open.bytes += text.len();
    }
    if open.start < missing.len() {
        requests.push_back(open.start..missing.len());
    }
    requests
}

/// The request that texts are being added to.
#[derive(Default)]
struct Open {
    start: usize,
    bytes: usize,
    /// Up to which text the tokens are counted, and how many they are.
    counted: (usize, usize),
}

impl Open {
    fn at(start: usize) -> Self {
        Self {
            start,
            bytes: 0,
            counted: (start, 0),
        }
    }

    /// The tokens from the start of the request to the end of `missing`. Each text is counted once.
    fn tokens(&mut self, missing: &[usize], texts: &[String], embedder: &dyn Embedder) -> usize {
        let (end, tokens) = self.counted;
        let more = missing[end..].iter().map(|&text| embedder.count_tokens(&texts[text]));
        self.counted = (missing.len(), tokens + more.sum::<usize>());
        self.counted.1
    }
}
