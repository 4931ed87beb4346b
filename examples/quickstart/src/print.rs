//! Prints for a person. A terminal gets its own width and colours, a pipe gets 80 columns without colours.

use std::{
    io::{IsTerminal, Write, stdout},
    time::{Duration, Instant},
};

use pgai_sea::search::Snippet;
use textwrap::WordSplitter;

use crate::answer::{Answer, Found};

/// The width where there is no terminal, and the widest that is still read with ease.
const WIDTH: usize = 80;
const WIDEST: usize = 100;
/// Where the texts below a hit begin.
const INDENT: &str = "          ";

/// Prints for whatever standard output is.
pub(crate) struct Printer {
    width: usize,
    colours: bool,
}

impl Printer {
    pub(crate) fn new() -> Self {
        let terminal = stdout().is_terminal();
        Self {
            width: if terminal {
                textwrap::termwidth().clamp(40, WIDEST)
            } else {
                WIDTH
            },
            colours: terminal && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty()),
        }
    }

    /// A stage that is over, and how long it took.
    pub(crate) fn stage(&self, what: &str, start: Instant) {
        let took = duration(start.elapsed());
        let room = self.width.saturating_sub(took.len() + 1);
        line(&format!("{what:room$} {took}"));
    }

    /// A paragraph. Lines that begin with spaces stay as they are: they are for copying.
    pub(crate) fn note(&self, text: &str) {
        let options = textwrap::Options::new(self.width).word_splitter(WordSplitter::NoHyphenation);
        line("");
        for text in text.lines() {
            if text.starts_with(' ') {
                line(text);
            } else {
                line(&textwrap::fill(text, &options));
            }
        }
    }

    pub(crate) fn heading(&self, text: &str) {
        self.note(&self.bold(text));
    }

    pub(crate) fn answer(&self, answer: &Answer) {
        self.heading(&format!("\"{}\"", answer.question));
        for (rank, hit) in (1..).zip(&answer.hits) {
            line("");
            line(&self.hit(rank, hit));
        }
        line("");
        line(&self.dim(&format!("{INDENT}answered in {}", duration(answer.took))));
    }

    /// Rank, distance and crate, below them its description, and the snippet with the question's words in bold.
    fn hit(&self, rank: usize, hit: &Found) -> String {
        let crate_ = &hit.crate_;
        let name = self.bold(&crate_.name);
        let mut lines = vec![format!("{rank:>2}  {:.3} {name} {}", hit.distance, crate_.version)];
        let description = self.wrap(&crate_.description);
        lines.extend(description.iter().map(|line| format!("{INDENT}{line}")));
        if let Some(snippet) = &hit.snippet {
            let snippet = self.wrap(&self.marked(snippet));
            lines.extend(snippet.iter().map(|line| format!("{INDENT}| {line}")));
        }
        lines.join("\n")
    }

    fn marked(&self, snippet: &Snippet) -> String {
        let mut text = String::new();
        let mut end = 0;
        for mark in &snippet.marks {
            text.push_str(&snippet.text[end..mark.start]);
            text.push_str(&self.bold(&snippet.text[mark.clone()]));
            end = mark.end;
        }
        text + &snippet.text[end..]
    }

    /// `text` in lines that fit behind the indentation and a mark.
    fn wrap(&self, text: &str) -> Vec<String> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let width = self.width.saturating_sub(INDENT.len() + 2).max(20);
        textwrap::wrap(&text, width)
            .into_iter()
            .map(std::borrow::Cow::into_owned)
            .collect()
    }

    fn bold(&self, text: &str) -> String {
        self.style(text, "1")
    }

    fn dim(&self, text: &str) -> String {
        self.style(text, "2")
    }

    fn style(&self, text: &str, code: &str) -> String {
        if self.colours {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Prints a line. A reader that stops reading (`quickstart | head`) does not stop the program.
fn line(text: &str) {
    let _ = writeln!(stdout(), "{text}");
}

/// A duration with three digits or so.
pub(crate) fn duration(duration: Duration) -> String {
    match duration.as_millis() {
        0..1000 => format!("{} ms", duration.as_millis()),
        1000..100_000 => format!("{:.1} s", duration.as_secs_f64()),
        _ => format!("{:.0} s", duration.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity;

    fn hit(description: &str, chunk: &str) -> Found {
        Found {
            distance: 0.312_34,
            crate_: entity::Model {
                name: "clap".into(),
                version: "4.6.7".into(),
                description: description.into(),
                readme: chunk.into(),
            },
            snippet: (chunk != description).then(|| pgai_sea::search::snippet(chunk, "words", 260)),
        }
    }

    const PIPE: Printer = Printer {
        width: 80,
        colours: false,
    };

    #[test]
    fn a_hit_is_wrapped_and_without_colours_in_a_pipe() {
        let text = PIPE.hit(1, &hit("Parses arguments.", &"many words ".repeat(100)));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], " 1  0.312 clap 4.6.7");
        assert_eq!(lines[1], "          Parses arguments.");
        assert!(lines[2].starts_with("          | many words"));
        assert!(lines.len() == 6 && lines[5].ends_with(" …"), "{text}");
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{text}");
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn a_terminal_shows_the_words_of_the_question_in_bold() {
        let terminal = Printer { colours: true, ..PIPE };
        let text = terminal.hit(1, &hit("Parses arguments.", "many words"));
        assert!(text.ends_with("| many \u{1b}[1mwords\u{1b}[0m"), "{text:?}");
    }

    #[test]
    fn wide_characters_and_long_words_keep_within_the_width() {
        let text = PIPE.hit(1, &hit(&"漢字".repeat(60), &"x".repeat(200)));
        assert!(
            text.lines().all(|line| textwrap::core::display_width(line) <= 80),
            "{text}"
        );
    }

    #[test]
    fn a_description_is_not_said_twice() {
        assert_eq!(
            PIPE.hit(2, &hit("Says it all.", "Says it all."))
                .matches("Says it all.")
                .count(),
            1
        );
    }

    #[test]
    fn durations_are_short() {
        assert_eq!(duration(Duration::from_micros(800)), "0 ms");
        assert_eq!(duration(Duration::from_millis(321)), "321 ms");
        assert_eq!(duration(Duration::from_millis(58_123)), "58.1 s");
        assert_eq!(duration(Duration::from_secs(121)), "121 s");
    }
}
