//! Passwords in whatever the command prints: a server, a parser and an error repeat what they were given.

use std::io::{self, Write};
use std::sync::LazyLock;

use tracing_subscriber::fmt::MakeWriter;

use super::database::VARIABLES;

/// The passwords that this process was given.
static SECRETS: LazyLock<Secrets> = LazyLock::new(|| {
    let arguments = std::env::args_os().skip(1);
    let arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
    let variables = VARIABLES.iter().filter_map(|name| std::env::var(name).ok());
    Secrets::of(arguments.chain(variables))
});

/// The message without the passwords of addresses that this process was given.
pub(super) fn redacted(message: &str) -> String {
    SECRETS.hide(message)
}

/// What may be a password, longest first.
#[derive(Debug, Default)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// Those in texts that may be addresses.
    pub(super) fn of(texts: impl IntoIterator<Item = String>) -> Self {
        let mut found = Vec::new();
        for text in texts {
            found.extend(before_the_host(&text));
            found.extend(named(&text));
        }
        let mut secrets = Vec::new();
        for secret in found {
            for form in [decoded(&secret), secret] {
                // as a log or JSON writes it
                let quoted = format!("{form:?}");
                secrets.push(quoted[1..quoted.len() - 1].to_owned());
                secrets.extend(serde_json::to_string(&form).map(|json| json[1..json.len() - 1].to_owned()));
                secrets.push(form);
            }
        }
        secrets.retain(|secret| !secret.is_empty());
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        Self(secrets)
    }

    pub(super) fn hide(&self, message: &str) -> String {
        let mut message = message.to_owned();
        for secret in &self.0 {
            if secret.chars().count() > 2 {
                message = message.replace(secret.as_str(), "***");
            } else {
                // one or two letters are in any word
                for quote in ['"', '\'', '`'] {
                    message = message.replace(&format!("{quote}{secret}{quote}"), &format!("{quote}***{quote}"));
                }
            }
        }
        message
    }
}

/// What stands before an `@` and holds a colon, however it is written: all of it, since a server may repeat it as a
/// user's name, and what follows the colon, with whatever parts a parser may take for a password or a host.
fn before_the_host(text: &str) -> Vec<String> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let Some((before, _)) = rest.rsplit_once('@') else {
        return Vec::new();
    };
    let Some((_, password)) = split_user(before) else {
        return Vec::new();
    };
    // where parts begin and end
    let (mut begins, mut ends) = (vec![0], Vec::new());
    for (place, separator) in password.match_indices(SEPARATORS).take(MOST_PARTS) {
        ends.push(place);
        begins.push(place + separator.len());
    }
    ends.push(password.len());
    let parts = begins
        .iter()
        .flat_map(|&begin| ends.iter().map(move |&end| (begin, end)));
    let parts = parts.filter_map(|(begin, end)| password.get(begin..end));
    // a user whose name has an encoded colon, and a password besides
    let user = before.split_once(':').map(|(user, _)| user);
    let user = user.filter(|user| split_user(user).is_some());
    let whole = [Some(before), user].into_iter().flatten();
    whole.chain(parts).map(str::to_owned).collect()
}

/// What may end a password, or belong to it.
const SEPARATORS: [char; 9] = [':', '@', '/', '?', '#', ',', ' ', ';', '&'];
/// More parts than these are seldom a password's.
const MOST_PARTS: usize = 20;

/// User and password, parted by the first colon, which may be encoded.
pub(super) fn split_user(text: &str) -> Option<(&str, &str)> {
    let colon = text.find(':').map(|place| (place, 1));
    let lower = text.to_ascii_lowercase();
    let encoded = lower.find("%3a").map(|place| (place, 3));
    let (place, length) = [colon, encoded].into_iter().flatten().min()?;
    Some((&text[..place], &text[place + length..]))
}

/// The values of `password=`, `sslpassword=` and the like, as in addresses and in libpq's own form, which may quote
/// them.
fn named(text: &str) -> Vec<String> {
    let lower = text.to_ascii_lowercase();
    let mut secrets = Vec::new();
    for name in ["password", "passwd", "passphrase", "pwd"] {
        for (place, _) in lower.match_indices(name) {
            let rest = text[place + name.len()..].trim_start();
            let rest = rest
                .strip_prefix('=')
                .or_else(|| rest.strip_prefix("%3D").or_else(|| rest.strip_prefix("%3d")));
            let Some(rest) = rest.map(str::trim_start) else {
                continue;
            };
            if let Some(quoted) = rest.strip_prefix(['\'', '"']) {
                let quote = &rest[..1];
                secrets.push(quoted.split(quote).next().unwrap_or_default().to_owned());
                // one with an escaped quote in it ends later
                secrets.extend(quoted.rsplit_once(quote).map(|(value, _)| value.to_owned()));
                secrets.push(quoted.to_owned());
            }
            let value = rest.split(|c: char| c.is_whitespace() || c == '&' || c == ';').next();
            let value = value.unwrap_or_default();
            // somebody has put it where a host follows
            secrets.extend(value.rsplit_once('@').map(|(before, _)| before.to_owned()));
            secrets.push(value.to_owned());
        }
    }
    secrets
}

/// The text without `%xx`.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Standard error, on which no password is written. An event is written at once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Redacting;

impl<'w> MakeWriter<'w> for Redacting {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        *self
    }
}

impl Write for Redacting {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if SECRETS.0.is_empty() {
            io::stderr().write_all(line)?;
        } else {
            let line = redacted(&String::from_utf8_lossy(line));
            io::stderr().write_all(line.as_bytes())?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hide(text: &str, message: &str) -> String {
        Secrets::of([text.to_owned()]).hide(message)
    }

    #[test]
    fn a_password_is_hidden_wherever_it_stands() {
        for (text, message, shown) in [
            ("postgres://u:p4ss@h/d", "no p4ss here", "no *** here"),
            (
                "postgres://u%3Ap4ss@h/d",
                r#"failed for user "u:p4ss""#,
                r#"failed for user "***""#,
            ),
            (
                "postgres://u%3Apw@h/d",
                r#"failed for user "u:pw""#,
                r#"failed for user "***""#,
            ),
            (
                "postgres://u:pw@h/d",
                r#"what is "pw" in power?"#,
                r#"what is "***" in power?"#,
            ),
            ("postgres://u:a%20b%40c@h/d", "a b@c", "***"),
            ("postgres://u:p4@w4rd@h/d", "w4rd is no host", "*** is no host"),
            ("postgres://:p4ss@h", "p4ss", "***"),
            ("postgres://u:one1@h1,v:two2@h2/d", "two2 and one1", "*** and ***"),
            ("host=h password='a b' user=u", "what is a b?", "what is ***?"),
            (r"host=h password = 'a\'b'", r"what is a\'b?", "what is ***?"),
            ("host=h PASSWORD=p4ss user=u", "p4ss", "***"),
            ("postgres:///d?host=/tmp&password=p4ss&x=y", "p4ss y", "*** y"),
            ("postgres://h/d?sslpassword=p4ss", "p4ss", "***"),
            (r#"postgres://u:p"4ss@h/d"#, r#"said="p\"4ss""#, r#"said="***""#),
            ("--db-url=postgres://u:p4ss@h/d", "p4ss", "***"),
            ("postgres://user@host:5432/d", "user host:5432 d", "user host:5432 d"),
        ] {
            assert_eq!(hide(text, message), shown, "{text}");
        }
    }
}
