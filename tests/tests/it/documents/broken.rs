//! Broken documents: no worker dies of them, and every other row is embedded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pgai_sea::document::{DocumentError, Documents};
use pgai_sea::embedder::Embedder;
use pgai_sea::testing::FakeEmbedder;
use pgai_sea::worker::Worker;
use pgai_sea_tests::{Catalog, Random, TestResult, on_catalog, rounds, seed};

use super::support::{archive, docx, in_child, pptx, xlsx};

/// Documents of every format that is more than text.
fn originals() -> Vec<(&'static str, Vec<u8>)> {
    let dir = real_parts::documents_dir().unwrap();
    let read = |name: &str| std::fs::read(dir.join(name)).unwrap();
    vec![
        ("pdf", read("Sacred Texts of PostgreSQL.pdf")),
        ("pdf with a table", read("sample_with_table.pdf")),
        ("docx", docx("Tides", &["The moon pulls.", "The sun, too."])),
        ("xlsx", xlsx(&[["port", "tide"], ["Brest", "7 m"]])),
        ("pptx", pptx(&["First slide", "Second slide"])),
        (
            "html",
            b"<!doctype html><html><body><table><tr><td><ul><li>a</table><h1>b</html>".repeat(20),
        ),
        (
            "mail",
            b"From: a@b\r\nDate: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nc\r\n--b--".to_vec(),
        ),
    ]
}

/// Flips bytes, cuts, repeats and swaps parts.
fn broken(random: &mut Random, original: &[u8]) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..=random.below(4) {
        let length = bytes.len() as u64;
        if length < 2 {
            break;
        }
        let at = usize::try_from(random.below(length)).unwrap();
        match random.below(4) {
            0 => {
                for _ in 0..=random.below(64) {
                    let at = usize::try_from(random.below(length)).unwrap();
                    bytes[at] = u8::try_from(random.below(256)).unwrap();
                }
            }
            1 => bytes.truncate(at),
            2 => {
                let part = bytes[at..bytes.len().min(at + 4096)].to_vec();
                let to = usize::try_from(random.below(length)).unwrap();
                bytes.splice(to..to, part);
            }
            _ => {
                let end = bytes.len().min(at + 256);
                bytes[at..end].reverse();
            }
        }
    }
    bytes
}

/// 100 in CI; `PGAI_SEA_ROUNDS=20` makes it 2,000.
#[tokio::test]
async fn broken_documents_stop_no_worker_and_no_other_row() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let mut random = Random::new(seed(16));
        let originals = originals();
        let count = i64::try_from(rounds(100))?;
        let dir = tempfile::tempdir()?;
        test.execute(
            "create table files (id int primary key, uri text);
             select ai.create_vectorizer('files', name => 'files', embedding => ai.embedding_ollama('m', 8),
                loading => ai.loading_uri('uri', retries => 0), chunking => ai.chunking_none())",
        )
        .await?;
        for number in 0..count {
            let (_, original) = &originals[usize::try_from(random.below(originals.len() as u64))?];
            std::fs::write(
                dir.path().join(format!("{number}.broken")),
                broken(&mut random, original),
            )?;
            std::fs::write(dir.path().join(format!("{number}.txt")), format!("good {number}"))?;
        }
        test.execute(&format!(
            "insert into files select 2 * i, i || '.broken' from generate_series(0, {count} - 1) i;
             insert into files select 2 * i + 1, i || '.txt' from generate_series(0, {count} - 1) i"
        ))
        .await?;
        let documents = in_child()
            .allow_path(dir.path())
            .timeout(Duration::from_secs(20))
            .most_memory(512 << 20);
        let embedder: Arc<dyn Embedder> = Arc::new(FakeEmbedder::new(8));
        let worker = Worker::new(test.db.clone())
            .embedder("ollama", "m", embedder)
            .documents(documents);
        let started = Instant::now();
        let report = worker.run_once().await?;
        let took = started.elapsed();
        assert_eq!(report.errors().collect::<Vec<_>>(), []);
        let good: i64 = test
            .value("select count(distinct id) from files_embedding_store where id % 2 = 1")
            .await?;
        assert_eq!(good, count);
        let failed: i64 = test
            .value("select count(distinct details -> 'key') from ai.vectorizer_errors")
            .await?;
        let embedded: i64 = test
            .value("select count(distinct id) from files_embedding_store where id % 2 = 0")
            .await?;
        // some are empty, and the rest is one or the other; neither never happens
        assert!(
            failed > 0 && embedded > 0 && failed + embedded <= count,
            "{failed} {embedded}"
        );
        let said: Vec<String> = test
            .values("select details ->> 'error_reason' from ai.vectorizer_errors")
            .await?;
        assert!(said.iter().all(|reason| reason.contains("document")), "{said:?}");
        // shown with --nocapture
        let ended = said
            .iter()
            .filter(|reason| reason.contains("died") || reason.contains("takes more"));
        eprintln!(
            "{count} broken documents in {took:?}: {embedded} embedded, {failed} refused, {} by an end",
            ended.count()
        );
        Ok(())
    })
    .await;
}

async fn refused(bytes: Vec<u8>, says: &str) {
    let error = in_child().most_memory(512 << 20).parse(bytes, None).await.unwrap_err();
    assert!(matches!(error, DocumentError::Parse { .. }), "{error:?}");
    assert!(error.to_string().contains(says), "{error}");
}

#[tokio::test]
async fn bombs_and_entities_are_refused() {
    let spaces = " ".repeat(64 << 20);
    let bomb = archive(&[("word/document.xml", "<w/>"), ("word/styles.xml", &spaces)]);
    assert!(bomb.len() < 200_000);
    refused(bomb, "unpacks to too much").await;
    let many: Vec<(String, &str)> = (0..10_001).map(|n| (format!("{n}"), "")).collect();
    let mut many: Vec<(&str, &str)> = many.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    many.push(("word/document.xml", "<w/>"));
    refused(archive(&many), "10002 files").await;
    let laughs = "<!DOCTYPE w [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]><w>&b;</w>";
    refused(archive(&[("word/document.xml", laughs)]), "entities").await;
    let external = "<!DOCTYPE w [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><w>&a;</w>";
    refused(archive(&[("xl/workbook.xml", external)]), "entities").await;
}

#[tokio::test]
async fn what_a_document_refers_to_is_not_read() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "the secret").unwrap();
    let path = file.path().display();
    for html in [
        format!("<html><body><img src='file://{path}'><p>x</p></body></html>"),
        format!("<html><body><iframe src='{path}'></iframe><p>x</p></body></html>"),
        format!("<html><body><object data='file://{path}'></object><p>x</p></body></html>"),
    ] {
        let parsed = in_child().parse(html.into_bytes(), None).await.unwrap();
        assert!(!parsed.markdown().contains("secret"), "{}", parsed.markdown());
    }
}

#[tokio::test]
async fn memory_time_and_output_are_limited() {
    // a table is as wide as its widest cell in every row: small as a file, large as Markdown
    let (wide, rows) = ("w".repeat(4_000), "<tr><td>x</td></tr>".repeat(4_000));
    let wide = format!("<html><body><table><tr><td>{wide}</td></tr>{rows}</table></body></html>");
    let limited = in_child().most_text(1 << 20);
    let error = limited.parse(wide.into_bytes(), None).await.unwrap_err().to_string();
    assert!(error.contains("most_text"), "{error}");
    let large = "<html><body>".to_owned() + &"<b>x</b>".repeat(3_000_000);
    let parse = async |documents: Documents| {
        let begun = Instant::now();
        let error = documents
            .parse(large.clone().into_bytes(), None)
            .await
            .unwrap_err()
            .to_string();
        (error, begun.elapsed())
    };
    let (error, _) = parse(in_child().most_memory(512 << 20).timeout(Duration::from_mins(5))).await;
    assert!(error.contains("more than 512 MB"), "{error}");
    let (error, took) = parse(in_child().most_memory(4 << 30).timeout(Duration::from_secs(1))).await;
    assert!(error.contains("more than 1s"), "{error}");
    assert!(took < Duration::from_secs(20), "{took:?}");
}
