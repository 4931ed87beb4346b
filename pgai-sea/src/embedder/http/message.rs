//! The message in a response that is not a success.

use serde_json::Value;

/// The most characters of a server's message in an error.
const MESSAGE_LENGTH: usize = 300;

/// The message of a response's body as one line: out of the JSON of OpenAI, Ollama and others, the title of a web page,
/// or else the text as it is.
pub(super) fn line(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let message = match serde_json::from_str::<Value>(&text) {
        Ok(json) => message(&json).map_or_else(|| json.to_string(), str::to_owned),
        Err(_) => title(&text).unwrap_or(&text).to_owned(),
    };
    message
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The start of a line, short enough for an error. Remove secrets before: half of a key is not recognised.
pub(super) fn short(line: &str) -> String {
    match line.char_indices().nth(MESSAGE_LENGTH) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None if line.is_empty() => "(no message)".to_owned(),
        None => line.to_owned(),
    }
}

/// OpenAI has `error.message`, Ollama a string `error`, vLLM `message`, and servers made with Python's fastapi
/// `detail`.
fn message(json: &Value) -> Option<&str> {
    match json {
        Value::String(message) => Some(message),
        Value::Array(items) => items.first().and_then(message),
        Value::Object(fields) => ["error", "message", "detail", "msg"]
            .iter()
            .find_map(|name| message(fields.get(*name)?)),
        _ => None,
    }
}

/// The title of a web page. Proxies and load balancers answer with one.
fn title(text: &str) -> Option<&str> {
    let lower = text.to_ascii_lowercase(); // the same length: only ASCII letters change
    let start = lower.find("<title>")? + "<title>".len();
    let end = start + lower[start..].find("</title>")?;
    text.get(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_wherever_servers_put_them() {
        for (body, expected) in [
            (
                r#"{"error":{"message":"no\n such  thing","type":"x"}}"#,
                "no such thing",
            ),
            (r#"{"error":"model \"m\" not found"}"#, "model \"m\" not found"),
            (r#"{"object":"error","message":"too long","code":400}"#, "too long"),
            (
                r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#,
                "field required",
            ),
            (r#"{"detail":"Not Found"}"#, "Not Found"),
            (r#"{"status":3}"#, r#"{"status":3}"#),
            ("<html><TITLE>502 Bad Gateway</TITLE><body>..", "502 Bad Gateway"),
            ("upstream\tfailed\r\n\u{1b}[31m", "upstream failed [31m"),
            ("", "(no message)"),
        ] {
            assert_eq!(short(&line(body.as_bytes())), expected, "{body}");
        }
        assert_eq!(line(b"\xff\xfe"), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        let long = "ä".repeat(1000);
        let message = short(&line(long.as_bytes()));
        assert_eq!(message.chars().count(), MESSAGE_LENGTH + 1);
        assert!(message.ends_with('…'));
    }
}
