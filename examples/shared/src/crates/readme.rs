//! READMEs and documentation as text to read: what is left of the Markdown without badges, pictures, HTML and code.

use std::{fs, path::Path};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::manifest::Manifest;

/// The most bytes of a file that are read. Longer ones are generated.
const LONGEST: usize = 256 * 1024;

/// The README of the crate in `dir`: the file that the manifest names, else one of a usual name. Whatever is not UTF-8
/// in it becomes U+FFFD.
pub(super) fn read(dir: &Path, manifest: &Manifest) -> Option<String> {
    let named = manifest.readme_path().into_iter();
    let mut bytes = named.chain(manifest.readmes().iter().copied()).find_map(|name| {
        // published crates hold what belongs to them; a path that leads elsewhere is not theirs
        let inside = Path::new(name)
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        inside.then(|| fs::read(dir.join(name)).ok()).flatten()
    })?;
    bytes.truncate(LONGEST);
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The paragraphs at the beginning of `src/lib.rs` that document the crate in `dir`.
pub(super) fn docs(dir: &Path) -> Vec<String> {
    let source = fs::read(dir.join("src/lib.rs")).unwrap_or_default();
    let source = String::from_utf8_lossy(&source);
    let lines = source.lines().map(str::trim_start);
    let docs: Vec<&str> = lines
        .filter_map(|line| line.strip_prefix("//!"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    let plain = plain(&docs.join("\n"));
    plain
        .split("\n\n")
        .map(str::to_owned)
        .filter(|text| !text.is_empty())
        .collect()
}

/// Text on one line, without control characters.
pub(super) fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The text of `markdown`, paragraphs separated by blank lines. Code blocks are left out: they say little about what a
/// crate is for, at great length.
pub(super) fn plain(markdown: &str) -> String {
    let mut plain = Plain::default();
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES) {
        plain.event(event);
    }
    plain.end_paragraph();
    plain.paragraphs.join("\n\n")
}

#[derive(Default)]
struct Plain {
    paragraphs: Vec<String>,
    paragraph: String,
    /// A block of tags and text so far: it comes by the line, and a tag may go on in the next.
    html: String,
    /// How many elements are open whose text is not for reading.
    skipped: usize,
}

impl Plain {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(Tag::Image { .. } | Tag::CodeBlock(_) | Tag::MetadataBlock(_)) => self.skipped += 1,
            Event::End(TagEnd::Image | TagEnd::CodeBlock | TagEnd::MetadataBlock(_)) => self.skipped -= 1,
            _ if self.skipped > 0 => {}
            Event::Text(text) | Event::Code(text) => self.paragraph += &text,
            Event::Html(html) => self.html += &html,
            Event::SoftBreak | Event::HardBreak | Event::End(TagEnd::TableCell) => self.paragraph.push(' '),
            Event::Start(Tag::Item) => {
                self.end_paragraph();
                self.paragraph += "- ";
            }
            Event::End(
                TagEnd::Paragraph
                | TagEnd::Heading(_)
                | TagEnd::Item
                | TagEnd::TableRow
                | TagEnd::TableHead
                | TagEnd::HtmlBlock,
            ) => self.end_paragraph(),
            _ => {}
        }
    }

    fn end_paragraph(&mut self) {
        self.paragraph += &without_tags(&std::mem::take(&mut self.html));
        let text = one_line(&std::mem::take(&mut self.paragraph));
        if text.chars().any(char::is_alphanumeric) {
            self.paragraphs.push(text);
        }
    }
}

/// `html` without what is between `<` and `>`, and with the characters that the commonest entities stand for.
fn without_tags(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        text += before;
        text.push(' ');
        rest = tag.split_once('>').map_or("", |(_, after)| after);
    }
    text += rest;
    [
        ("&nbsp;", " "),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text, |text, (entity, character)| text.replace(entity, character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_readme_is_what_one_reads() {
        let markdown = "\
<!-- a comment -->
<p align=\"center\">
  <img src=\"logo.svg\"
    alt=\"logo\">
  Fast &amp; <b>small</b>
</p>

# clap &mdash; *arguments*

[![Docs](https://example.org/x.svg)](https://docs.rs/clap) ![picture](x.png)

Parses `argv`,
see [the docs][docs] or <https://docs.rs>.<br/>Done.

```rust
fn main() {}
```

- one
- two
  - nested

| a | b |
|---|---|
| 1 | 2 |

----

[docs]: https://docs.rs/clap
\u{1b}[31mred\u{7}
";
        let expected = [
            "Fast & small",
            "clap — arguments",
            "Parses argv, see the docs or https://docs.rs.Done.",
            "- one",
            "- two",
            "- nested",
            "a b",
            "1 2",
            "[31mred",
        ];
        assert_eq!(plain(markdown).split("\n\n").collect::<Vec<_>>(), expected);
    }

    #[test]
    fn there_may_be_nothing_to_read() {
        for nothing in ["", "\n\n", "![x](y)", "```\ncode\n```", "---\n\n***"] {
            assert_eq!(plain(nothing), "", "{nothing:?}");
        }
    }

    #[test]
    fn descriptions_fit_a_line() {
        assert_eq!(one_line("\n Parses\n  arguments.\t\u{7}\n"), "Parses arguments.");
    }

    #[test]
    fn documentation_is_what_lib_rs_begins_with() {
        let dir = std::env::temp_dir().join(format!("examples-docs-{}", std::process::id()));
        fs::create_dir_all(dir.join("src")).expect("a directory");
        let source =
            "//! # A crate\n//!\n//! Bakes\n//! bread.\n//! ```\n//! let x;\n//! ```\n\n/// A thing.\nstruct Thing;\n";
        fs::write(dir.join("src/lib.rs"), source).expect("a file");
        let found = docs(&dir);
        fs::remove_dir_all(&dir).expect("the directory to go");
        assert_eq!(found, ["A crate", "Bakes bread."]);
        assert!(docs(&dir).is_empty());
    }

    #[test]
    fn files_are_found_and_read_whatever_they_hold() {
        let dir = std::env::temp_dir().join(format!("examples-readme-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory");
        fs::write(dir.join("README"), b"plain").expect("a file");
        fs::write(dir.join("OTHER.md"), b"na\xefve").expect("a file");
        let read = |readme: &str| {
            let manifest = format!("[package]\nname = \"x\"\nversion = \"1.0.0\"\n{readme}");
            super::read(&dir, &Manifest::parse(&manifest).expect("a manifest"))
        };
        let found = [
            read(""),
            read("readme = true"),
            read("readme = \"OTHER.md\""),
            read("readme = \"gone.md\""),
            read("readme = \"../../etc/passwd\""),
            read("readme = false"),
        ];
        fs::remove_dir_all(&dir).expect("the directory to go");
        let plain = Some("plain".to_owned());
        let expected = [
            plain.clone(),
            plain.clone(),
            Some("na\u{fffd}ve".to_owned()),
            plain.clone(),
            plain,
            None,
        ];
        assert_eq!(found, expected);
    }
}
