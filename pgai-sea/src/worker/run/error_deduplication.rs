//! Which errors are worth a row in the catalog. Repeated ones are not, or weeks of ordinary rate limiting
//! would fill it.

use std::time::Duration;

use tokio::time::Instant;

use crate::catalog::PROVIDER_FAILED;

/// The same error is recorded again after this time.
const AGAIN: Duration = Duration::from_mins(10);
/// A provider's errors, whatever they say, are recorded no more often than this.
const PROVIDER: Duration = Duration::from_mins(1);
/// The number of different errors that are remembered.
const REMEMBERED: usize = 16;

/// What was recorded lately.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    lately: Vec<(&'static str, String, Instant)>,
}

impl Recorded {
    /// Whether this is to be recorded; if so, it is remembered.
    pub(super) fn is_news(&mut self, what: &'static str, message: &str, now: Instant) -> bool {
        self.lately.retain(|(.., when)| now - *when < AGAIN);
        let message = gist(message);
        let is_known = self.lately.iter().any(|(known, said, when)| {
            *known == what && (*said == message || what == PROVIDER_FAILED && now - *when < PROVIDER)
        });
        if is_known {
            return false;
        }
        if self.lately.len() >= REMEMBERED {
            self.lately.remove(0);
        }
        self.lately.push((what, message, now));
        true
    }
}

/// What a message says but for numbers, times and the like, which differ each time: "used 9134, try again in 20ms".
fn gist(message: &str) -> String {
    let words = message.split_whitespace();
    let words = words.filter(|word| !word.contains(|c: char| c.is_ascii_digit()));
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_do_not_make_news() {
        let mut recorded = Recorded::default();
        let start = Instant::now();
        let mut said =
            |what, message: &str, seconds| recorded.is_news(what, message, start + Duration::from_secs(seconds));
        assert!(said(PROVIDER_FAILED, "429: limit 1000, used 990, try again in 20ms", 0));
        assert!(!said(
            PROVIDER_FAILED,
            "429: limit 1000, used 1000, try again in 1.5s",
            120
        ));
        assert!(said(PROVIDER_FAILED, "cannot be reached", 121));
        // back and forth
        assert!(!said(
            PROVIDER_FAILED,
            "429: limit 1000, used 991, try again in 7ms",
            300
        ));
        assert!(!said(PROVIDER_FAILED, "cannot be reached", 300));
        assert!(said(
            PROVIDER_FAILED,
            "429: limit 1000, used 991, try again in 7ms",
            601
        ));
        // it never says the same, but is not all that there is
        assert!(!said(PROVIDER_FAILED, "request abc failed", 630));
        assert!(said("index cannot be built", "request abc failed", 630));
        assert!(said(PROVIDER_FAILED, "request abd failed", 662));
    }

    #[test]
    fn few_are_remembered() {
        let mut recorded = Recorded::default();
        for message in 'a'..='z' {
            assert!(recorded.is_news("x", &message.to_string(), Instant::now()));
        }
        assert_eq!(recorded.lately.len(), REMEMBERED);
    }
}
