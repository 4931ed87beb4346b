//! Random numbers that are the same in every run.

/// Sebastiano Vigna's `SplitMix64`.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers that belong to this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number from 0 up to but not including `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.bits() % end
    }
}

/// How many rounds a random test makes: `usual` in CI, and `PGAI_SEA_ROUNDS` times as many where that is set.
///
/// # Panics
///
/// If it is set to something else than a number.
pub fn rounds(usual: u64) -> u64 {
    usual * number("PGAI_SEA_ROUNDS").unwrap_or(1)
}

/// Where a random test begins: `PGAI_SEA_SEED`, or always at the same place.
///
/// # Panics
///
/// If it is set to something else than a number.
pub fn seed(usual: u64) -> u64 {
    number("PGAI_SEA_SEED").unwrap_or(usual)
}

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{variable}={value} is no number")),
    )
}
