//! Variables of the process's environment.

/// The value of the environment variable `name`. `None` if it is not set, or blank.
#[must_use]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}
