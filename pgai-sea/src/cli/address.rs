//! A database's address, as far as it may be shown: nothing that may be a password is printed.

use std::process::ExitCode;

use sea_orm::sqlx::Error;
use sea_orm::sqlx::postgres::PgConnectOptions;

use super::CliError;

/// The address as it may be shown: `postgres://user:***@host/database`.
///
/// What follows a `?` helps nobody to find the server, and may hold a password as well.
pub(super) fn address(url: &str) -> Result<String, CliError> {
    let refused = |why: Option<String>| CliError::Address {
        why: why.map_or_else(String::new, |why| format!(", {why}")),
    };
    let (scheme, rest) = url.split_once("://").ok_or_else(|| refused(None))?;
    if !["postgres", "postgresql"].contains(&scheme) {
        return Err(refused(Some("the scheme is not postgres".to_owned())));
    }
    if let Err(error) = url.parse::<PgConnectOptions>() {
        return Err(refused(reason(&error, url)));
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    // a password with a `/`, `?` or `#` that is not escaped ends the host's name for a parser, and not for who wrote it
    if rest[end..].contains('@') {
        return Ok("the database".to_owned());
    }
    let user = match user.split_once(':') {
        Some((user, _)) => format!("{user}:***@"),
        None if user.is_empty() => String::new(),
        None => format!("{user}@"),
    };
    Ok(format!("{scheme}://{user}{host}{path}"))
}

/// What the parser says, if it repeats no part of the address.
fn reason(error: &Error, url: &str) -> Option<String> {
    let Error::Configuration(error) = error else {
        return None;
    };
    let reason = error.to_string();
    let mut parts = url.split(|c: char| !c.is_alphanumeric()).filter(|part| part.len() > 2);
    (!parts.any(|part| reason.contains(part))).then_some(reason)
}

/// Prints what is wrong with the arguments, or the help that was asked for. The message repeats an argument that is not
/// understood, which may be a database's address.
#[expect(clippy::print_stderr, reason = "where clap prints it too")]
pub(super) fn usage(error: &clap::Error) -> ExitCode {
    let mut message = error.to_string();
    let mut is_hidden = false;
    let arguments = std::env::args_os().skip(1);
    let arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
    for argument in arguments.filter(|argument| may_hold_password(argument)) {
        if message.contains(&argument) {
            message = message.replace(&argument, "***");
            is_hidden = true;
        }
    }
    if is_hidden {
        eprint!("{message}");
    } else {
        let _ = error.print(); // with its colours; where nothing can be printed there is nobody to tell
    }
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn may_hold_password(argument: &str) -> bool {
    argument.contains("://") || argument.contains('@') || argument.to_ascii_lowercase().contains("password")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        for (url, shown) in [
            ("postgres://bob:s3cr@t@host:1/db", "postgres://bob:***@host:1/db"),
            ("postgres://bob@host/db?password=s3cret", "postgres://bob@host/db"),
            ("postgresql://host/db", "postgresql://host/db"),
            ("postgres://bob:1/s3cret@host/db", "the database"),
            ("postgres://bob:1?s3cret@host/db", "the database"),
        ] {
            assert_eq!(address(url).unwrap(), shown, "{url}");
        }
    }

    #[test]
    fn what_does_not_parse_is_not_shown_at_all() {
        for (url, why) in [
            ("host=x password=s3cret", ""),
            ("mysql://bob:s3cret@host/db", ", the scheme is not postgres"),
            ("postgres://bob:s3cret@host:notaport/db", ", invalid port number"),
            // the reason may be a word of the password
            ("postgres://bob:port@host:notaport/db", ""),
            ("postgres://bob:s3/cret@host/db", ", invalid port number"),
            ("postgres://bob@host/db?sslmode=s3cret", ""),
        ] {
            assert_eq!(
                address(url).unwrap_err().to_string(),
                format!(
                    "the database's address cannot be read{why}: write postgres://user:password@host:port/database"
                ),
                "{url}"
            );
        }
    }
}
