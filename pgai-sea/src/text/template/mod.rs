//! What the worker embeds of a chunk and its row: Python's `string.Template`, values as Python's `str()`.

mod error;

use std::borrow::Cow;

pub use self::error::TemplateError;

#[cfg(feature = "worker")]
use crate::config::Formatting;
use crate::config::PythonTemplate;

/// The default `template`.
const DEFAULT_TEMPLATE: &str = "$chunk";

impl PythonTemplate {
    /// Renders the template as the worker does. `value` gives the row's columns by name.
    ///
    /// `$name` and `${name}` are replaced, `$$` is a dollar. Names are ASCII: a letter or underscore, then letters,
    /// digits and underscores. The worker gives columns as Python's `str()` of what psycopg makes of them: `True`,
    /// `None`, `1.0`, `2024-02-29 12:00:00.500000+00:00`.
    ///
    /// ```
    /// use pgai_sea::config::Formatting;
    ///
    /// let title = |name: &str| (name == "title").then(|| "Dollars".into());
    /// assert_eq!(Formatting::python_template("$title: $chunk, $$5").render("cheap", title)?, "Dollars: cheap, $5");
    /// # Ok::<(), pgai_sea::text::TemplateError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A `$` that begins nothing, or a name that `value` does not know.
    pub fn render(&self, chunk: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, TemplateError> {
        let (template, end) = Template::read(self.template.as_deref().unwrap_or(DEFAULT_TEMPLATE));
        let values: Result<Vec<_>, _> = template
            .columns()
            .map(|name| value(name).ok_or_else(|| TemplateError::Missing { name: name.to_owned() }))
            .collect();
        // of a name that is missing and a `$` that begins nothing, Python complains of the first
        let values = values?;
        end?;
        Ok(template.render(chunk, &values, ("", "")))
    }
}

/// A template, parsed.
#[derive(Debug, PartialEq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, PartialEq)]
enum Part {
    Text(String),
    Chunk,
    Column(String),
    /// `$page`, where the row has no such column: the page on which the chunk begins.
    #[cfg(feature = "worker")]
    Page,
    /// `$headings`, the same way: the headings that it stands under.
    #[cfg(feature = "worker")]
    Headings,
}

impl Template {
    #[cfg(feature = "worker")]
    pub(crate) fn new(formatting: &Formatting) -> Result<Self, TemplateError> {
        match formatting {
            Formatting::PythonTemplate(options) => Self::parse(options.template.as_deref().unwrap_or(DEFAULT_TEMPLATE)),
            Formatting::Other(stored) => match stored.get("implementation").and_then(|name| name.as_str()) {
                // pgai's own name for the chunk as it is
                Some("chunk_value") => Self::parse(DEFAULT_TEMPLATE),
                implementation => Err(TemplateError::Unsupported {
                    implementation: implementation.unwrap_or("unnamed").to_owned(),
                }),
            },
        }
    }

    #[cfg(feature = "worker")]
    fn parse(template: &str) -> Result<Self, TemplateError> {
        let (template, end) = Self::read(template);
        end.map(|()| template)
    }

    /// The template up to its end, or to a `$` that begins nothing.
    fn read(template: &str) -> (Self, Result<(), TemplateError>) {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('$') {
            text.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                text.push('$');
                rest = after;
                continue;
            }
            let Some((name, after)) = placeholder(after) else {
                return (Self { parts }, Err(invalid(template, template.len() - after.len() - 1)));
            };
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            parts.push(match name {
                "chunk" => Part::Chunk,
                column => Part::Column(column.to_owned()),
            });
            rest = after;
        }
        text.push_str(rest);
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        (Self { parts }, Ok(()))
    }

    /// The columns that it names, in order, as often as it names them.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Column(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Takes `$page` and `$headings` for the chunk's place, unless the row has columns of these names.
    #[cfg(feature = "worker")]
    pub(crate) fn take_places(&mut self, is_column: impl Fn(&str) -> bool) {
        for part in &mut self.parts {
            match part {
                Part::Column(name) if name == "page" && !is_column(name) => *part = Part::Page,
                Part::Column(name) if name == "headings" && !is_column(name) => *part = Part::Headings,
                _ => {}
            }
        }
    }

    /// Whether it names the chunk's place.
    #[cfg(feature = "worker")]
    pub(crate) fn names_places(&self) -> bool {
        self.parts
            .iter()
            .any(|part| matches!(part, Part::Page | Part::Headings))
    }

    /// The text to embed; `values` are those of [`columns`](Self::columns).
    #[cfg_attr(
        not(feature = "worker"),
        expect(unused_variables, reason = "only a worker knows places")
    )]
    pub(crate) fn render<S: AsRef<str>>(&self, chunk: &str, values: &[S], (page, headings): (&str, &str)) -> String {
        let mut values = values.iter();
        let parts: Vec<Cow<'_, str>> = self
            .parts
            .iter()
            .filter_map(|part| match part {
                Part::Text(text) => Some(text.as_str().into()),
                Part::Chunk => Some(chunk.into()),
                Part::Column(_) => values.next().map(|value| value.as_ref().into()),
                #[cfg(feature = "worker")]
                Part::Page => Some(page.into()),
                #[cfg(feature = "worker")]
                Part::Headings => Some(headings.into()),
            })
            .collect();
        parts.concat()
    }
}

/// `name` or `{name}` at the start of `text`, and what follows.
fn placeholder(text: &str) -> Option<(&str, &str)> {
    if let Some(braced) = text.strip_prefix('{') {
        let (name, after) = identifier(braced)?;
        return Some((name, after.strip_prefix('}')?));
    }
    identifier(text)
}

fn identifier(text: &str) -> Option<(&str, &str)> {
    let is_part = |c: char| c == '_' || c.is_ascii_alphanumeric();
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let starts_well = text.starts_with(|c: char| is_part(c) && !c.is_ascii_digit());
    starts_well.then(|| text.split_at(end))
}

/// Line and column from 1, lines as Python's `str.splitlines` has them.
fn invalid(template: &str, at: usize) -> TemplateError {
    let mut line = 1;
    let mut column = 1;
    let mut before = template[..at].chars().peekable();
    while let Some(c) = before.next() {
        let ends_line = match c {
            '\r' => before.peek() != Some(&'\n'),
            '\n' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}' => true,
            _ => false,
        };
        column += 1;
        if ends_line {
            line += 1;
            column = 1;
        }
    }
    TemplateError::Invalid { line, column }
}
