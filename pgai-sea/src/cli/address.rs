//! A database's address, as far as it may be shown: nothing that may be a password is printed.

use std::process::ExitCode;

use sea_orm::sqlx::Error;
use sea_orm::sqlx::postgres::PgConnectOptions;

use super::CliError;
use super::redact::{redacted, split_user};

/// The address as it may be shown: `postgres://user:***@host/database`.
///
/// What follows a `?` helps nobody to find the server, and may hold a password as well. So may a part with characters
/// that names seldom have: somebody has forgotten to escape them, or something was put in their place.
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
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    // a password with a `/`, `?` or `#` that is not escaped ends the host's name for a parser, and not for who wrote it
    if rest[end..].contains('@') || split_user(host).is_some_and(|(_, port)| !port.ends_with(|c: char| is_digit(c))) {
        return Ok("the database".to_owned());
    }
    // a socket's folder is encoded
    if !has_only(host, ".-_:[],%") || host.to_ascii_lowercase().contains("%3a") {
        return Ok("the database".to_owned());
    }
    let shown = |user: &str| {
        let is_name = has_only(user, ".-_+@");
        if is_name { user.to_owned() } else { "***".to_owned() }
    };
    let user = match split_user(user) {
        Some((user, _)) => format!("{}:***@", shown(user)),
        None if user.is_empty() => String::new(),
        None => format!("{}@", shown(user)),
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let path = if has_only(path, "/.-_") { path } else { "" };
    Ok(format!("{scheme}://{user}{host}{path}"))
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

/// Whether there are only letters, digits and these.
fn has_only(text: &str, more: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
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
    let message = error.to_string();
    let mut hidden = message.clone();
    let arguments = std::env::args_os().skip(1);
    let arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
    for argument in arguments {
        // the value may be attached to an option's name
        let value = argument.split_once('=').filter(|_| argument.starts_with('-'));
        let attached = argument.strip_prefix('-').and_then(|rest| rest.get(1..));
        for part in [Some(argument.as_str()), value.map(|(_, value)| value), attached] {
            if let Some(part) = part.filter(|part| may_hold_password(part)) {
                hidden = hidden.replace(part, "***");
            }
        }
    }
    let hidden = redacted(&hidden);
    if hidden == message {
        let _ = error.print(); // with its colours; where nothing can be printed there is nobody to tell
    } else {
        eprint!("{hidden}");
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
            ("postgres://bob%3As3cret@host/db", "postgres://bob:***@host/db"),
            ("postgres://bob%3as3cret:other@host/db", "postgres://bob:***@host/db"),
            ("postgres://:s3cret@host/db", "postgres://:***@host/db"),
            ("postgres://bob;s3cret@host/db", "postgres://***@host/db"),
            ("postgres://host/db;password=s3cret", "postgres://host"),
            ("postgres://host/db&password=s3cret", "postgres://host"),
            ("postgres://host/db%3Fpassword%3Ds3cret", "postgres://host"),
            ("postgres://host%3As3cret/db", "the database"),
            ("postgres://bob:one@h1,eve:s3cret@h2/db", "postgres://bob:***@h2/db"),
            ("postgres://bob:s3cret@h1,h2/db", "postgres://bob:***@h1,h2/db"),
            ("postgres:///db?host=/tmp&password=s3cret", "postgres:///db"),
            (
                "postgres://bob:s3cret@%2Fvar%2Frun/db",
                "postgres://bob:***@%2Fvar%2Frun/db",
            ),
        ] {
            assert_eq!(address(url).unwrap(), shown, "{url}");
        }
    }

    #[test]
    fn what_does_not_parse_is_not_shown_at_all() {
        for (url, why) in [
            ("host=x password=s3cret", ""),
            ("host=x password='s3cret with blanks'", ""),
            ("mysql://bob:s3cret@host/db", ", the scheme is not postgres"),
            ("postgres://bob:s3cret@host:notaport/db", ", invalid port number"),
            ("postgres://bob:s3cret@h1:1,h2:2/db", ", invalid port number"),
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

    /// Passwords of every kind of character, in every form of address that somebody may write.
    #[test]
    fn no_form_of_an_address_shows_a_password() {
        const PIECES: [&str; 22] = [
            "@", ":", "/", "?", "#", "%", "%40", "%3A", "%2F", "&", "=", ";", ",", " ", "'", "\"", "\\", "+", "[", "]",
            "\u{e9}", "",
        ];
        const FORMS: [&str; 18] = [
            "postgres://u:PW@h/d",
            "postgres://u%3APW@h/d",
            "postgres://u%3aPW:x@h/d",
            "postgres://:PW@h",
            "postgres://u:PW@h:5432/d?sslmode=disable",
            "postgres://u:PW@h1,h2/d",
            "postgres://u:x@h1,v:PW@h2/d",
            "postgres://u:PW@%2Fvar%2Frun/d",
            "postgres:///d?host=/tmp&user=u&password=PW",
            "postgres://h/d?password=PW&x=y",
            "postgres://h/d;password=PW",
            "postgres://h/d&password=PW",
            "postgres://u;password=PW@h/d",
            "postgresql://u:PW@[::1]:5432/d",
            "postgres://u:PW@:5432/d",
            "postgres:u:PW@h/d",
            "host=h user=u password='PW'",
            "host=h password=PW user=u",
        ];
        for form in FORMS {
            for first in PIECES {
                for second in PIECES {
                    // the words are found again whatever becomes of the characters between
                    let password = format!("qxz{first}wkj{second}vpf");
                    let url = form.replace("PW", &password);
                    let shown = match address(&url) {
                        Ok(shown) => shown,
                        Err(error) => error.to_string(),
                    };
                    for word in ["qxz", "wkj", "vpf"] {
                        assert!(!shown.contains(word), "{url} is shown as {shown}");
                    }
                    // a server repeats what it was told
                    let secrets = super::super::redact::Secrets::of([url.clone()]);
                    let said = secrets.hide(&format!("failed for {password:?}, {password}"));
                    assert!(!said.contains(&password), "{url}: {said}");
                }
            }
        }
    }
}
