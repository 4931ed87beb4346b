//! What a document is, by its content.

use std::fmt;
use std::io::Cursor;

use serde::{Deserialize, Serialize};
use zip::ZipArchive;

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Format {
    /// PDF.
    Pdf,
    /// Word, since 2007.
    Docx,
    /// PowerPoint, since 2007.
    Pptx,
    /// Excel, since 2007.
    Xlsx,
    /// EPUB.
    Epub,
    /// HTML.
    Html,
    /// E-mail, as RFC 5322 has it.
    Email,
    /// Values that are separated by commas, or by what the first line suggests.
    Csv,
    /// Text, and so Markdown.
    Text,
}

impl Format {
    /// Whether it is a zip archive with files in it.
    pub(super) fn is_archive(self) -> bool {
        matches!(self, Self::Docx | Self::Pptx | Self::Xlsx | Self::Epub)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pdf => "PDF",
            Self::Docx => "Word",
            Self::Pptx => "PowerPoint",
            Self::Xlsx => "Excel",
            Self::Epub => "EPUB",
            Self::Html => "HTML",
            Self::Email => "e-mail",
            Self::Csv => "CSV",
            Self::Text => "text",
        })
    }
}

/// What the bytes are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Text that needs no parser.
    Text(String),
    /// A document that does.
    Of(Format),
}

/// Bytes at the beginning, and what they say that it is. None of these is parsed.
const OTHERS: [(&[u8], &str); 12] = [
    (
        b"\xd0\xcf\x11\xe0",
        "a document of an old Office, or an encrypted one: save it as docx, xlsx or pptx without a password",
    ),
    (b"{\\rtf", "RTF: save it as docx"),
    (b"\x89PNG", "a picture, and no text is read from pictures"),
    (b"\xff\xd8\xff", "a picture, and no text is read from pictures"),
    (b"GIF8", "a picture, and no text is read from pictures"),
    (b"II*\0", "a picture, and no text is read from pictures"),
    (b"MM\0*", "a picture, and no text is read from pictures"),
    (b"\x1f\x8b", "compressed with gzip: unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3\0", "a SQLite database"),
];

/// What the bytes are. `name` is a file's name, an address, or a media type; only CSV is known by it.
pub(super) fn content(bytes: &[u8], name: Option<&str>) -> Result<Content, String> {
    // some begin with a line of a mail server or a printer
    if bytes
        .iter()
        .take(1024)
        .collect::<Vec<_>>()
        .windows(5)
        .any(|five| five.iter().copied().eq(b"%PDF-"))
    {
        return Ok(Content::Of(Format::Pdf));
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return archive(bytes).map(Content::Of);
    }
    if let Some((_, what)) = OTHERS.iter().find(|(begin, _)| bytes.starts_with(begin)) {
        return Err(format!("the document is {what}"));
    }
    let text = text(bytes);
    let begin = match &text {
        Ok(text) => begin(text).to_owned(),
        // HTML and e-mail say in which encoding they are, and what says it is ASCII
        Err(_) => String::from_utf8_lossy(&bytes[..bytes.len().min(ENOUGH)]).into_owned(),
    };
    if is_html(&begin) {
        return Ok(Content::Of(Format::Html));
    }
    if is_email(&begin) {
        return Ok(Content::Of(Format::Email));
    }
    // a spreadsheet may write it in the encoding of its country
    let may_be_csv = is_csv(name) && !begin.contains('\0') && !begin.trim().is_empty();
    if may_be_csv {
        return Ok(Content::Of(Format::Csv));
    }
    text.map(Content::Text)
}

/// The encoding that an HTML page says it has, if it is not UTF-8.
pub(super) fn encoding(bytes: &[u8]) -> Option<String> {
    if text(bytes).is_ok() {
        return None;
    }
    let begin = String::from_utf8_lossy(&bytes[..bytes.len().min(ENOUGH)]).to_ascii_lowercase();
    let (_, rest) = begin.split_once("charset=").or_else(|| begin.split_once("encoding="))?;
    let rest = rest.trim_start_matches(['"', '\'']);
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"-_:.".contains(c));
    let label = &rest[..end.unwrap_or(rest.len())];
    // what says UTF-8 and is not is read as it can be
    (!label.is_empty() && !label.starts_with("utf")).then(|| label.to_owned())
}

/// By the files in it.
fn archive(bytes: &[u8]) -> Result<Format, String> {
    let archive = ZipArchive::new(Cursor::new(bytes))
        .map_err(|error| format!("the document is a damaged zip archive: {error}"))?;
    let has = |name: &str| archive.index_for_name(name).is_some();
    for (name, format) in [
        ("word/document.xml", Format::Docx),
        ("ppt/presentation.xml", Format::Pptx),
        ("xl/workbook.xml", Format::Xlsx),
        ("META-INF/container.xml", Format::Epub),
    ] {
        if has(name) {
            return Ok(format);
        }
    }
    Err("the document is a zip archive, and not one of Word, PowerPoint, Excel or EPUB: unpack it first".to_owned())
}

/// Text in UTF-8, or in UTF-16 with its mark.
pub(super) fn text(bytes: &[u8]) -> Result<String, String> {
    let wide = |rest: &[u8], number: fn([u8; 2]) -> u16| {
        let (pairs, end) = rest.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|pair| number(*pair)).collect();
        String::from_utf16(&units)
            .ok()
            .filter(|_| end.is_empty())
            .ok_or_else(|| "the document begins like UTF-16, and is not: save it as UTF-8".to_owned())
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => return wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => return wide(rest, u16::from_be_bytes),
        _ => {}
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
    text.map(str::to_owned).ok_or_else(|| {
        "the document is neither text in UTF-8 or UTF-16, nor PDF, Word, PowerPoint, Excel, EPUB, HTML or e-mail"
            .to_owned()
    })
}

/// The bytes at the beginning that say what it is.
const ENOUGH: usize = 64 << 10;

fn begin(text: &str) -> &str {
    &text[..text.floor_char_boundary(ENOUGH)]
}

fn is_html(begin: &str) -> bool {
    let mut rest = begin.trim_start();
    // an XML declaration and comments may come first
    loop {
        let end = match rest {
            _ if rest.starts_with("<?") => "?>",
            _ if rest.starts_with("<!--") => "-->",
            _ => break,
        };
        let Some((_, after)) = rest.split_once(end) else {
            return false;
        };
        rest = after.trim_start();
    }
    let begins = |tag: &str| {
        rest.get(..tag.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(tag))
    };
    begins("<!doctype html") || begins("<html") || begins("<head") || begins("<body")
}

/// Whether there are headers, a sender among them, up to the first empty line.
fn is_email(begin: &str) -> bool {
    let mut names = Vec::new();
    for (number, line) in begin.lines().enumerate() {
        if line.is_empty() {
            break;
        }
        // a folded header, or the line that a mailbox puts before a message
        if line.starts_with([' ', '\t']) || (number == 0 && line.starts_with("From ")) {
            continue;
        }
        match line.split_once(':') {
            Some((name, _)) if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()) => {
                names.push(name.to_ascii_lowercase());
            }
            _ => return false,
        }
    }
    let has = |name: &str| names.iter().any(|known| known == name);
    has("from") && ["date", "message-id", "received", "mime-version"].into_iter().any(has)
}

fn is_csv(name: Option<&str>) -> bool {
    let Some(name) = name else { return false };
    let extends = |name: &str| {
        let extension = name.trim().rsplit_once('.').map_or("", |(_, extension)| extension);
        ["csv", "tsv"].iter().any(|known| extension.eq_ignore_ascii_case(known))
    };
    // a file may have what separates the parts of an address in its name
    let begin = name.split(['?', '#', ';']).next().unwrap_or_default();
    extends(name) || extends(begin) || begin.trim().eq_ignore_ascii_case("text/csv")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_says_what_it_is() {
        let of = |bytes: &[u8]| content(bytes, Some("x.txt")).unwrap();
        for html in [
            "<!DOCTYPE HTML><p>x",
            " \n<html lang=en>",
            "<?xml version=\"1.0\"?>\n<!-- c -->\n<html xmlns=\"x\">",
        ] {
            assert_eq!(of(html.as_bytes()), Content::Of(Format::Html), "{html}");
        }
        assert_eq!(of(b"\n\n%PDF-1.4\n"), Content::Of(Format::Pdf));
        let mail = b"Received: from a\r\n by b\r\nFrom: A <a@b>\r\nSubject: x\r\n\r\nText";
        assert_eq!(of(mail), Content::Of(Format::Email));
        for text in [
            "From: me\nTo: you",
            "# Title: x",
            "a,b\n1,2",
            "",
            "<p>no page</p>",
            "From: me\nDate: x\n- y",
        ] {
            assert_eq!(of(text.as_bytes()), Content::Text(text.to_owned()));
        }
        assert_eq!(of(b"\xff\xfea\0\xe4\0"), Content::Text("a\u{e4}".to_owned()));
        assert_eq!(of(b"\xef\xbb\xbfa"), Content::Text("a".to_owned()));
    }

    #[test]
    fn a_name_says_only_csv() {
        for name in [
            "a.csv",
            "what? #1.csv",
            "https://h/a.CSV?x=1",
            "text/csv; charset=utf-8",
        ] {
            assert_eq!(content(b"a,b\n1,2", Some(name)), Ok(Content::Of(Format::Csv)), "{name}");
        }
        assert_eq!(content(b"a", Some("a.pdf")), Ok(Content::Text("a".to_owned())));
    }

    #[test]
    fn what_says_its_encoding_need_not_be_utf_8() {
        let of = |bytes: &[u8], name| content(bytes, name).map_err(|_| "refused");
        let html = b"<html><head><meta charset='iso-8859-2'></head><body>\xb3</body></html>";
        assert_eq!(of(html, None), Ok(Content::Of(Format::Html)));
        assert_eq!(encoding(html).as_deref(), Some("iso-8859-2"));
        assert_eq!(encoding(b"<html><meta charset=\"UTF-8\">\xb3"), None);
        assert_eq!(encoding("<html><meta charset=latin1>\u{fc}".as_bytes()), None);
        let xml = b"<?xml version=\"1.0\" encoding=\"windows-1251\"?><html>\xe0</html>";
        assert_eq!(encoding(xml).as_deref(), Some("windows-1251"));
        let mail = b"From: a@b\r\nDate: x\r\n\r\ncaf\xe9";
        assert_eq!(of(mail, None), Ok(Content::Of(Format::Email)));
        assert_eq!(of(b"caf\xe9,tea", Some("a.csv")), Ok(Content::Of(Format::Csv)));
        assert_eq!(of(b"caf\xe9,tea", None), Err("refused"));
        assert_eq!(of(b"\0\xff\xe9,tea", Some("a.csv")), Err("refused"));
    }

    #[test]
    fn a_refusal_says_what_it_seems_to_be() {
        for (bytes, says) in [
            (&b"\x89PNG\r\n"[..], "picture"),
            (b"\xd0\xcf\x11\xe0\xa1", "old Office"),
            (b"\xff\xfea", "UTF-16"),
            (b"a\0b", "neither text"),
            (b"caf\xe9", "neither text"),
            (b"PK\x03\x04", "zip archive"),
        ] {
            let error = content(bytes, None).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
