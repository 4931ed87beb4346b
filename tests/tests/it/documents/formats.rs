//! What each format becomes.

use std::process::{Command, Output};

use pgai_sea::Chunking;
use pgai_sea::document::{Format, Parsed, preview};

use super::support::{docx, in_child, pdf, pptx, xlsx};

async fn parsed(bytes: impl Into<Vec<u8>>, name: &str) -> Parsed {
    in_child().parse(bytes.into(), Some(name)).await.unwrap()
}

/// Of each of pgai's own documents what its tests look for. Its picture is read by OCR, which is not here.
#[tokio::test]
async fn pgai_s_own_documents_have_what_its_tests_look_for() {
    let dir = real_parts::documents_dir().unwrap();
    for (file, format, text) in [
        (
            "Sacred Texts of PostgreSQL.pdf",
            Format::Pdf,
            "And lo, there came forth PostgreSQL, blessed be its name",
        ),
        ("sample_pdf.pdf", Format::Pdf, "Maecenas mauris lectus"),
        (
            "sample_with_table.pdf",
            Format::Pdf,
            "This is an example of a data table.",
        ),
        (
            "sample_txt.txt",
            Format::Text,
            "Fromage frais cheese and biscuits danish fontina",
        ),
        (
            "basic-v3plus2.epub",
            Format::Epub,
            "Wants pawn term dare worsted ladle gull hoe lift",
        ),
        ("test.md", Format::Text, "Hello I am a test md document"),
        ("lego_sets.pdf", Format::Pdf, "7190-1 Millennium Falcon"),
        (
            "electromagnetic_radiation.docx",
            Format::Docx,
            "All forms of EMR travel at the speed of light in a vacuum",
        ),
    ] {
        let bytes = std::fs::read(dir.join(file)).unwrap();
        // no name: the content decides
        let parsed = in_child().parse(bytes, None).await.unwrap();
        let line = parsed.markdown().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(line.contains(text), "{file}: {line}");
        assert_eq!(parsed.format(), format, "{file}");
    }
    let picture = std::fs::read(dir.join("text_screenshot.png")).unwrap();
    let error = in_child().parse(picture, None).await.unwrap_err().to_string();
    assert!(error.contains("picture"), "{error}");
}

#[tokio::test]
async fn headings_lists_and_tables_are_kept() {
    let html = "<!doctype html><html><head><title>t</title></head><body><h1>Tides</h1><h2>Moon</h2><ul><li>near</li>\
                <li>far</li></ul><table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table></body>\
                </html>";
    let html = parsed(html, "x").await;
    let squeezed: String = html
        .markdown()
        .split(' ')
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    for part in ["# Tides", "## Moon", "- near\n- far", "| a | b |", "| 1 | 2 |"] {
        assert!(squeezed.contains(part), "{part}: {squeezed}");
    }
    let docx = parsed(docx("Tides", &["The moon pulls.", "The sun, too."]), "x").await;
    assert_eq!(docx.format(), Format::Docx);
    assert!(
        docx.markdown().contains("## Tides") && docx.markdown().contains("The sun, too."),
        "{docx:?}"
    );
    let xlsx = parsed(xlsx(&[["port", "tide"], ["Brest", "7 m"]]), "x").await;
    assert_eq!(xlsx.format(), Format::Xlsx);
    assert!(xlsx.markdown().contains("| Brest"), "{xlsx:?}");
    let pptx = parsed(pptx(&["First slide", "Second slide"]), "x").await;
    assert_eq!(pptx.format(), Format::Pptx);
    assert!(pptx.markdown().contains("Second slide"), "{pptx:?}");
    let csv = parsed("port,tide\nBrest,7 m\n", "tides.csv").await;
    assert!(
        csv.format() == Format::Csv && csv.markdown().contains("| Brest"),
        "{csv:?}"
    );
}

#[tokio::test]
async fn an_e_mail_is_its_subject_sender_and_text() {
    let mail = "From: =?utf-8?q?J=C3=BCrgen?= <j@example.com>\r\nTo: k@example.com\r\nDate: Mon, 2 Mar 2026 10:00:00 \
                +0100\r\nSubject: Tides\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; \
                boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: \
                base64\r\n\r\nVGhlIG1vb24gcHVsbHMu\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>The moon \
                pulls.</p>\r\n--b--\r\n";
    let mail = parsed(mail, "x").await;
    assert_eq!(mail.format(), Format::Email);
    for part in ["Tides", "Jürgen", "The moon pulls."] {
        assert!(mail.markdown().contains(part), "{part}: {}", mail.markdown());
    }
}

#[tokio::test]
async fn a_passage_of_a_pdf_has_its_page() {
    let dir = real_parts::documents_dir().unwrap();
    let parsed = preview(dir.join("Sacred Texts of PostgreSQL.pdf")).unwrap();
    let pages: Vec<_> = parsed.pages().iter().map(|page| page.page).collect();
    assert!(!pages.is_empty() && pages.is_sorted(), "{pages:?}");
    assert!(!parsed.markdown().contains('\u{c}'));
    let chunking = Chunking::recursive_character_text_splitter()
        .chunk_size(300)
        .chunk_overlap(50);
    let passages = parsed.passages(&chunking.into()).unwrap();
    assert_eq!(passages[0].place.page, pages.first().copied());
    assert_eq!(passages.last().unwrap().place.page, pages.last().copied());
    for passage in passages {
        assert_eq!(&parsed.markdown()[passage.place.bytes], passage.text);
    }
}

/// The parser joins it. Each part of it is on its own page all the same.
#[tokio::test]
async fn a_paragraph_that_goes_on_over_pages_is_on_each_of_them() {
    let pages: [&[&str]; 4] = [
        &[
            "Tides rise and fall twice a day in most of the harbours of this coast, because the",
            "moon pulls the water of the sea towards it, and because the earth turns below the",
        ],
        &["water while it does so, which is why the high water comes later each day, and why it"],
        &["is as high as it is. Nobody knows more.", "Winds are another matter."],
        &["The end."],
    ];
    let parsed = parsed(pdf(&pages), "x").await;
    let text = parsed.markdown();
    assert!(text.contains("turns below the water while it"), "{text}");
    let begins: Vec<_> = parsed
        .pages()
        .iter()
        .map(|page| {
            (
                page.page,
                text[page.offset..]
                    .split_whitespace()
                    .take(2)
                    .collect::<Vec<_>>()
                    .join(" "),
            )
        })
        .collect();
    let expected = [(1, "Tides rise"), (2, "water while"), (3, "is as"), (4, "The end.")];
    assert_eq!(begins, expected.map(|(page, text)| (page, text.to_owned())));
    // a chunk's page is that of its first character
    let chunking = Chunking::recursive_character_text_splitter()
        .chunk_size(90)
        .chunk_overlap(0);
    for passage in parsed.passages(&chunking.into()).unwrap() {
        let start = passage.place.bytes.start;
        let page = parsed.pages().iter().rev().find(|page| page.offset <= start).unwrap();
        assert_eq!(passage.place.page, Some(page.page), "{passage:?}");
    }
}

#[tokio::test]
async fn a_pdf_without_text_says_so() {
    let error = in_child().parse(pdf(&[&[], &[]]), None).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "the document (PDF) has no text: it was scanned, or holds only pictures"
    );
}

/// HTML and e-mail say in which encoding they are. CSV may be in that of the spreadsheet's country.
#[tokio::test]
async fn documents_in_other_encodings_are_read() {
    let html = b"<html><head><meta charset='iso-8859-2'></head><body><h1>Wa\xb3ki</h1></body></html>";
    assert_eq!(parsed(html, "x").await.markdown(), "# Wa\u{142}ki");
    let wide: Vec<u8> = "\u{feff}<html><body><p>Öl</p></body></html>"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(parsed(wide, "x").await.markdown(), "Öl");
    let mail = b"From: a@b.example\r\nDate: Mon, 2 Mar 2026 10:00:00 +0100\r\nSubject: Tea\r\nMIME-Version: \
        1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\nCaf\xe9.\r\n";
    let mail = parsed(mail, "x").await;
    assert!(mail.markdown().ends_with("Café."), "{mail:?}");
    let csv = parsed(b"drink,price\ncaf\xe9,2\n", "x.csv").await;
    assert!(csv.markdown().contains("| café"), "{csv:?}");
    // a text does not say it
    let error = in_child()
        .parse(b"caf\xe9".to_vec(), None)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("UTF-8"), "{error}");
}

#[tokio::test]
async fn an_e_mail_of_html_alone_has_its_text() {
    let mail = "From: a@b.example\r\nDate: Mon, 2 Mar 2026 10:00:00 +0100\r\nSubject: Tides\r\nContent-Type: \
                text/html; charset=utf-8\r\n\r\n<html><body><p>The moon pulls.</p><p>The sun, too.</p></body></html>";
    let mail = parsed(mail, "x").await;
    for part in ["Tides", "The moon pulls.", "The sun, too."] {
        assert!(mail.markdown().contains(part), "{part}: {}", mail.markdown());
    }
    assert!(!mail.markdown().contains("<p>"), "{}", mail.markdown());
}

fn command(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"));
    command.arg("preview").args(arguments).output().unwrap()
}

#[test]
fn the_command_shows_chunks_with_their_places() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tides.html");
    std::fs::write(&file, "<html><body><h1>Tides</h1><p>The moon pulls.</p></body></html>").unwrap();
    let file = file.to_str().unwrap();
    let output = command(&[file]);
    let said = String::from_utf8(output.stdout).unwrap();
    let expected = "-- chunk 0, Tides\n# Tides\n\nThe moon pulls.\n-- HTML, 24 characters, 1 chunks\n";
    assert_eq!(said, expected, "{}", String::from_utf8_lossy(&output.stderr));
    let output = command(&[file, "--text"]);
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "# Tides\n\nThe moon pulls.\n"
    );
    let output = command(&[file, "--json", "--chunk-size", "10", "--chunk-overlap", "0"]);
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[1]["chunk"], "The moon");
    assert_eq!(lines[1]["headings"], serde_json::json!(["Tides"]));
    assert_eq!(lines[1]["bytes"], serde_json::json!([9, 17]));
    let output = command(&["/nowhere.pdf"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere.pdf cannot be read"));
}
