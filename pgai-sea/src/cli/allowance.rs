//! `--requests-per-minute`, `--tokens-per-minute` and `--tokens-per-day`.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::str::FromStr;

use crate::worker::Budget;

/// `N`, or `PROVIDER=N`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Allowance {
    provider: Option<String>,
    most: u64,
}

impl FromStr for Allowance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (provider, most) = match text.rsplit_once('=') {
            Some((provider, most)) => (Some(provider.trim().to_owned()), most),
            None => (None, text),
        };
        if provider.as_deref() == Some("") {
            return Err("a provider is missing before `=`: write openai=3000".into());
        }
        let most: NonZeroU64 = most
            .trim()
            .parse()
            .map_err(|_| format!("`{most}` is not a number from 1 up"))?;
        Ok(Self {
            provider,
            most: most.get(),
        })
    }
}

/// The budget of each provider that is named, and of all others under `None`. What is said of all holds for those named
/// too, where nothing else is said of them.
pub(super) fn budgets(
    requests: &[Allowance],
    tokens: &[Allowance],
    tokens_a_day: &[Allowance],
) -> BTreeMap<Option<String>, Budget> {
    let mut budgets: BTreeMap<Option<String>, Budget> = BTreeMap::new();
    for Allowance { provider, most } in requests {
        let budget = budgets.entry(provider.clone()).or_default();
        *budget = budget.requests_per_minute(u32::try_from(*most).unwrap_or(u32::MAX));
    }
    for Allowance { provider, most } in tokens {
        let budget = budgets.entry(provider.clone()).or_default();
        *budget = budget.tokens_per_minute(*most);
    }
    for Allowance { provider, most } in tokens_a_day {
        let budget = budgets.entry(provider.clone()).or_default();
        *budget = budget.tokens_per_day(*most);
    }
    let every = budgets.get(&None).copied().unwrap_or_default();
    for budget in budgets.values_mut() {
        *budget = budget.or(every);
    }
    budgets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_one_goes_before_what_is_said_of_all() {
        let parsed = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| text.parse().unwrap())
                .collect::<Vec<Allowance>>()
        };
        let budgets = budgets(
            &parsed(&["10", "openai=20"]),
            &parsed(&["cohere/embed-v4.0=5", "7"]),
            &parsed(&["openai=9000000000"]),
        );
        let budget = Budget::new();
        let expected = [
            (None, budget.requests_per_minute(10).tokens_per_minute(7)),
            (
                Some("cohere/embed-v4.0".to_owned()),
                budget.requests_per_minute(10).tokens_per_minute(5),
            ),
            (
                Some("openai".to_owned()),
                budget
                    .requests_per_minute(20)
                    .tokens_per_minute(7)
                    .tokens_per_day(9_000_000_000),
            ),
        ];
        assert_eq!(budgets, BTreeMap::from(expected));
    }

    #[test]
    fn what_is_no_allowance_says_so() {
        for (text, says) in [
            ("=5", "provider is missing"),
            ("openai=0", "number from 1"),
            ("many", "`many`"),
        ] {
            let error = text.parse::<Allowance>().unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
