//! Bytes become Markdown.

mod archive;
pub(super) mod child;
pub(super) mod format;
mod pages;

use std::panic::catch_unwind;
use std::thread;

use docling::{DocumentConverter, InputFormat, SourceDocument};

use self::format::{Content, Format};
use super::parsed::{PageStart, Parsed};

/// Documents are trees, and parsers descend into them. A thread's usual 2 MB are soon used up.
const STACK: usize = 32 << 20;

/// Parses a document. `name` is a file's name or an address. At most `most_text` bytes of Markdown. This blocks.
///
/// # Errors
///
/// A sentence that says what is wrong with the document.
pub(super) fn parse(bytes: Vec<u8>, name: Option<&str>, most_text: usize) -> Result<Parsed, String> {
    let parsed = match format::content(&bytes, name)? {
        Content::Text(text) => Parsed::text(without_nul(&text)),
        Content::Of(format) => {
            if format.is_archive() {
                archive::check(&bytes)?;
            }
            let (markdown, pages) = convert(bytes, format)?;
            Parsed::new(format, markdown, pages)
        }
    };
    bounded(parsed, most_text)
}

/// The document as the text that it is, whatever it looks like.
#[cfg(feature = "worker")]
pub(super) fn unparsed(bytes: &[u8], most_text: usize) -> Result<Parsed, String> {
    let text = format::text(bytes)?;
    bounded(Parsed::text(without_nul(&text)), most_text)
}

fn bounded(parsed: Parsed, most_text: usize) -> Result<Parsed, String> {
    let length = parsed.markdown().len();
    if length > most_text {
        return Err(format!(
            "the document's text has {length} bytes, more than {most_text}: raise the limit (`Documents::most_text`)"
        ));
    }
    Ok(parsed)
}

/// Converts in a thread with a large stack.
fn convert(bytes: Vec<u8>, format: Format) -> Result<(String, Vec<PageStart>), String> {
    let parse = move || match format {
        Format::Pdf => pages::pdf(&bytes),
        _ => markdown(bytes, format).map(|markdown| (markdown, Vec::new())),
    };
    let work = move || catch_unwind(parse).unwrap_or_else(|_| Err(broken(format)));
    let thread = thread::Builder::new()
        .name("document".into())
        .stack_size(STACK)
        .spawn(work);
    let thread = thread.map_err(|error| format!("no thread can be started to parse the document: {error}"))?;
    thread.join().unwrap_or_else(|_| Err(broken(format)))
}

/// Without what is before and after the text.
fn markdown(bytes: Vec<u8>, format: Format) -> Result<String, String> {
    let input = match format {
        Format::Pdf => InputFormat::Pdf,
        Format::Docx => InputFormat::Docx,
        Format::Pptx => InputFormat::Pptx,
        Format::Xlsx => InputFormat::Xlsx,
        Format::Epub => InputFormat::Epub,
        Format::Html => InputFormat::Html,
        Format::Email => InputFormat::Email,
        Format::Csv => InputFormat::Csv,
        Format::Text => InputFormat::Md,
    };
    // otherwise what fails is tried as another format
    let encoding = (format == Format::Html).then(|| format::encoding(&bytes)).flatten();
    let converter = DocumentConverter::with_allowed_formats([input])
        .keep_picture_images(false)
        .encoding(encoding);
    let source = SourceDocument::from_bytes("document", input, bytes);
    let converted = converter.convert(source);
    let document = converted
        .map_err(|error| format!("the document ({format}) is damaged, encrypted or not supported: {error}"))?
        .document;
    let markdown = without_pictures(&document.export_to_markdown());
    Ok(without_nul(markdown.trim()))
}

/// Where a picture was, the converter leaves a comment. It says nothing to search for.
fn without_pictures(markdown: &str) -> String {
    const PICTURE: &str = "<!-- image -->";
    let blocks = markdown.split("\n\n").filter(|block| *block != PICTURE);
    blocks.collect::<Vec<_>>().join("\n\n")
}

/// PostgreSQL's texts hold no NUL.
fn without_nul(text: &str) -> String {
    text.replace('\0', "")
}

fn broken(format: Format) -> String {
    format!("the parser stopped unexpectedly on the document ({format}), which is probably damaged")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_leaves_nothing() {
        let text = without_pictures("<!-- image -->\n\none\n\n<!-- image -->\n\n| <!-- image --> |\n\n<!-- image -->");
        assert_eq!(text, "one\n\n| <!-- image --> |");
    }

    #[test]
    fn a_text_stays_as_it_is() {
        let parsed = parse(b"# A\r\n\r\n  b \n".to_vec(), None, 100).unwrap();
        assert_eq!(
            (parsed.markdown(), parsed.format()),
            ("# A\r\n\r\n  b \n", Format::Text)
        );
        assert!(parse(vec![b'a'; 101], None, 100).unwrap_err().contains("101 bytes"));
    }

    #[test]
    fn what_is_damaged_says_so() {
        for (bytes, says) in [
            (&b"%PDF-1.7 and nothing else"[..], "PDF"),
            (&b"PK\x03\x04broken"[..], "archive"),
        ] {
            let error = parse(bytes.to_vec(), None, 100).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
