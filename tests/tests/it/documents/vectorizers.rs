//! The worker embeds documents: of addresses and of bytes, into a table and into a column, on both catalogs.

use std::sync::Arc;
use std::time::Duration;

use pgai_sea::document::Documents;
use pgai_sea::embedder::Embedder;
use pgai_sea::testing::FakeEmbedder;
use pgai_sea::worker::{Report, Worker};
use pgai_sea_tests::{TestDatabase, TestResult, on_both_catalogs};
use sea_orm::DbErr;

use super::support::{Reply, Web, docx, in_child};

/// `files (id, uri, title)` below a server, with a vectorizer.
pub(super) async fn files(test: &TestDatabase, more: &str) -> Result<(), DbErr> {
    test.execute(&format!(
        "create table files (id int primary key, uri text, title text);
         select ai.create_vectorizer('files', name => 'files', embedding => ai.embedding_ollama('m', 8),
            chunking => ai.chunking_character_text_splitter(chunk_size => 30, chunk_overlap => 0),
            formatting => ai.formatting_python_template('$title: $chunk') {more})"
    ))
    .await
}

pub(super) fn worker(test: &TestDatabase, documents: Documents, embedder: &Arc<FakeEmbedder>) -> Worker {
    Worker::new(test.db.clone())
        .embedder("ollama", "m", Arc::clone(embedder) as Arc<dyn Embedder>)
        .retry_delay(Duration::from_millis(1))
        .documents(documents)
}

/// Works until nothing is left, the attempts that wait included.
pub(super) async fn work_off(test: &TestDatabase, documents: &Documents, embedder: &Arc<FakeEmbedder>) -> Vec<Report> {
    let mut reports = Vec::new();
    loop {
        let report = worker(test, documents.clone(), embedder).run_once().await.unwrap();
        let waits = report.waiting() > 0;
        reports.push(report);
        if !waits {
            return reports;
        }
    }
}

async fn chunks(test: &TestDatabase) -> Result<Vec<String>, DbErr> {
    test.values("select concat_ws('/', id, chunk_seq, chunk) from files_embedding_store order by id, chunk_seq")
        .await
}

async fn reasons(test: &TestDatabase) -> Result<Vec<String>, DbErr> {
    test.values("select concat(message, ': ', details ->> 'error_reason') from ai.vectorizer_errors order by recorded")
        .await
}

pub(super) async fn dead(test: &TestDatabase) -> Result<Vec<String>, DbErr> {
    let table: String = test
        .value("select format('%I.%I', queue_schema, queue_failed_table) from ai.vectorizer")
        .await?;
    test.values(&format!(
        "select concat_ws(' ', id, failure_step) from {table} order by id"
    ))
    .await
}

#[tokio::test]
async fn documents_at_addresses_are_embedded_and_each_fails_alone() {
    on_both_catalogs(async |test| -> TestResult {
        let (web, embedder) = (Web::start().await, Arc::new(FakeEmbedder::new(8)));
        files(&test, ", loading => ai.loading_uri('uri', retries => 2)").await?;
        web.serve("/a.docx", Reply::ok(docx("Tides", &["The moon pulls the sea."])));
        web.serve("/b.md", Reply::ok("# Winds\n\nThe sun heats the air."));
        web.serve("/empty", Reply::ok(""));
        web.serve("/broken", Reply::ok(&b"%PDF-1.4 and nothing"[..]));
        test.execute(&format!(
            "insert into files values (1, '{0}/a.docx', 'A'), (2, '{0}/b.md', 'B'), (3, '{0}/none', 'C'),
                (4, '{0}/broken', 'D'), (5, null, 'E'), (6, ' ', 'F'), (7, '{0}/empty', 'G'),
                (8, 'ftp://nowhere', 'H'), (9, 'http://169.254.169.254/', 'I')",
            web.url("")
        ))
        .await?;
        let documents = in_child().allow_private_hosts().allow_prefix("http://");
        let reports = work_off(&test, &documents, &embedder).await;
        let embedded = [
            "1/0/A: ## Tides",
            "1/1/A: The moon pulls the sea.",
            "2/0/B: # Winds",
            "2/1/B: The sun heats the air.",
        ];
        assert_eq!(chunks(&test).await?, embedded);
        assert_eq!(dead(&test).await?, ["3 loading", "4 parsing", "8 loading", "9 loading"]);
        // what is not understood is not tried again, and the others twice
        assert_eq!(
            reports.iter().map(|report| report.counts().dead_letters).sum::<u64>(),
            4
        );
        assert_eq!(web.asked().iter().filter(|asked| asked.target == "/none").count(), 3);
        assert_eq!(web.asked().iter().filter(|asked| asked.target == "/broken").count(), 1);
        let reasons = reasons(&test).await?.join("\n");
        for part in [
            "parsing failed: the document (PDF) is damaged",
            &format!("loading failed: there is no document at `{}`", web.url("/none")),
            "`ftp://nowhere` is not the address of a document",
            "`169.254.169.254` is in a private network",
        ] {
            assert!(reasons.contains(part), "{part}: {reasons}");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_edit_embeds_what_is_new_and_a_document_that_is_mended_stops_being_dead() {
    on_both_catalogs(async |test| -> TestResult {
        let (web, embedder) = (Web::start().await, Arc::new(FakeEmbedder::new(8)));
        files(&test, ", loading => ai.loading_uri('uri', retries => 0)").await?;
        web.serve("/1", Reply::ok("The moon pulls the sea.\n\nThe sun heats the air."));
        web.serve("/2", Reply::ok("The moon pulls the sea.\n\nThe wind moves it."));
        let insert = format!(
            "insert into files values (1, '{0}/1', 'A'), (2, '{0}/3', 'B')",
            web.url("")
        );
        test.execute(&insert).await?;
        let documents = in_child().allow_private_hosts().allow_prefix("http://");
        work_off(&test, &documents, &embedder).await;
        assert_eq!(dead(&test).await?, ["2 loading"]);
        test.execute(&format!("update files set uri = '{}/2' where id = 1", web.url("")))
            .await?;
        let reports = work_off(&test, &documents, &embedder).await;
        let counts = reports[0].counts();
        assert_eq!((counts.chunks_kept, counts.chunks_written), (1, 1));
        web.serve("/3", Reply::ok("Here it is."));
        pgai_sea::catalog::retry_failed(&test.db, "files").await?;
        work_off(&test, &documents, &embedder).await;
        assert!(dead(&test).await?.is_empty());
        let expected = [
            "1/0/A: The moon pulls the sea.",
            "1/1/A: The wind moves it.",
            "2/0/B: Here it is.",
        ];
        assert_eq!(chunks(&test).await?, expected);
        test.execute("delete from files").await?;
        assert!(chunks(&test).await?.is_empty());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn bytes_in_a_column_are_documents_whatever_the_parser_is_called() {
    on_both_catalogs(async |test| -> TestResult {
        for parsing in ["ai.parsing_auto()", "ai.parsing_pymupdf()", "ai.parsing_docling()"] {
            let embedder = Arc::new(FakeEmbedder::new(8));
            test.execute(&format!(
                "create table files (id int primary key, body bytea, title text);
                 select ai.create_vectorizer('files', name => 'files', embedding => ai.embedding_ollama('m', 8),
                    loading => ai.loading_column('body'), parsing => {parsing}, chunking => ai.chunking_none())"
            ))
            .await?;
            let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            test.execute(&format!(
                "insert into files values (1, '\\x{}', 'A'), (2, 'plain', 'B'), (3, '\\x00ff', 'C'), (4, null, 'D')",
                hex(&docx("Tides", &["The moon pulls."]))
            ))
            .await?;
            work_off(&test, &in_child(), &embedder).await;
            assert_eq!(
                chunks(&test).await?,
                ["1/0/## Tides\n\nThe moon pulls.", "2/0/plain"],
                "{parsing}"
            );
            assert_eq!(dead(&test).await?, ["3 parsing"]);
            test.execute("select ai.drop_vectorizer('files', drop_all => true); drop table files")
                .await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_document_becomes_one_vector_in_a_column() {
    on_both_catalogs(async |test| -> TestResult {
        let (web, embedder) = (Web::start().await, Arc::new(FakeEmbedder::new(8)));
        web.serve("/a", Reply::ok(docx("Tides", &["The moon pulls."])));
        test.execute(&format!(
            "create table files (id int primary key, uri text);
             insert into files values (1, '{0}/a'), (2, '{0}/none');
             select ai.create_vectorizer('files', name => 'files', embedding => ai.embedding_ollama('m', 8),
                loading => ai.loading_uri('uri', retries => 0), chunking => ai.chunking_none(),
                destination => ai.destination_column('embedding'))",
            web.url("")
        ))
        .await?;
        let documents = in_child().allow_private_hosts().allow_prefix("http://");
        work_off(&test, &documents, &embedder).await;
        let embedded: Vec<i32> = test.values("select id from files where embedding is not null").await?;
        assert_eq!(embedded, [1]);
        assert_eq!(dead(&test).await?, ["2 loading"]);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_document_of_bytes_becomes_one_vector_in_a_column() {
    on_both_catalogs(async |test| -> TestResult {
        let embedder = Arc::new(FakeEmbedder::new(8));
        test.execute(
            "create table files (id int primary key, body bytea);
             insert into files values (1, 'The moon pulls.'), (2, '\\x00ff'), (3, null);
             select ai.create_vectorizer('files', name => 'files', embedding => ai.embedding_ollama('m', 8),
                loading => ai.loading_column('body'), chunking => ai.chunking_none(),
                destination => ai.destination_column('embedding'))",
        )
        .await?;
        let embedded = "select id from files where embedding is not null order by id";
        work_off(&test, &in_child(), &embedder).await;
        assert_eq!(test.values::<i32>(embedded).await?, [1]);
        assert_eq!(dead(&test).await?, ["2 parsing"]);
        test.execute("update files set body = 'The sun, too.' where id = 2; update files set body = null where id = 1")
            .await?;
        work_off(&test, &in_child(), &embedder).await;
        assert_eq!(test.values::<i32>(embedded).await?, [2]);
        Ok(())
    })
    .await;
}

/// A column may hold anything. What is no address is one dead letter, and said in short.
#[tokio::test]
async fn an_address_without_end_is_one_dead_letter() {
    on_both_catalogs(async |test| -> TestResult {
        let embedder = Arc::new(FakeEmbedder::new(8));
        files(&test, ", loading => ai.loading_uri('uri', retries => 0)").await?;
        test.execute(
            "insert into files values (1, 'https://me:secret@' || repeat('x', 1000000), 'A'),
                (2, repeat('x', 1000000), 'B'), (3, 'http://docs.example.com/' || repeat('x', 200000), 'C')",
        )
        .await?;
        let documents = in_child().allow_path(std::env::temp_dir()).allow_prefix("http://");
        work_off(&test, &documents, &embedder).await;
        assert_eq!(dead(&test).await?, ["1 loading", "2 loading", "3 loading"]);
        let reasons = reasons(&test).await?.join("\n");
        assert!(reasons.len() < 2_000 && !reasons.contains("secret"), "{reasons}");
        assert!(reasons.contains("it has 1000000 bytes, more than 16384"), "{reasons}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn without_parsing_a_document_is_its_text() {
    on_both_catalogs(async |test| -> TestResult {
        let (web, embedder) = (Web::start().await, Arc::new(FakeEmbedder::new(8)));
        files(
            &test,
            ", loading => ai.loading_uri('uri'), parsing => ai.parsing_none()",
        )
        .await?;
        web.serve("/a", Reply::ok("<html><p>x</p></html>"));
        web.serve("/b", Reply::ok(docx("Tides", &[])));
        let insert = format!(
            "insert into files values (1, '{0}/a', 'A'), (2, '{0}/b', 'B')",
            web.url("")
        );
        test.execute(&insert).await?;
        let documents = in_child().allow_private_hosts().allow_prefix("http://");
        work_off(&test, &documents, &embedder).await;
        assert_eq!(chunks(&test).await?, ["1/0/A: <html><p>x</p></html>"]);
        assert_eq!(dead(&test).await?, ["2 parsing"]);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_was_told_nothing_says_what_to_do_and_charges_no_row() {
    on_both_catalogs(async |test| -> TestResult {
        let embedder = Arc::new(FakeEmbedder::new(8));
        files(&test, ", loading => ai.loading_uri('uri')").await?;
        test.execute("insert into files values (1, 'https://docs.example.com/a', 'A')")
            .await?;
        let untold = Worker::new(test.db.clone()).embedder("ollama", "m", Arc::clone(&embedder) as Arc<dyn Embedder>);
        let no_parser = Documents::in_child("/bin/no such program").allow_path(std::env::temp_dir());
        let not_ours = Documents::in_child("/bin/false").allow_path(std::env::temp_dir());
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), "text")?;
        for (worker, says) in [
            (untold, "Worker::documents"),
            (worker(&test, in_child(), &embedder), "--allow-prefix"),
            (worker(&test, no_parser, &embedder), "cannot be started"),
            (worker(&test, not_ours, &embedder), "of the same version"),
        ] {
            if says.contains("started") {
                test.execute(&format!("update files set uri = '{}'", file.path().display()))
                    .await?;
            }
            let report = worker.run_once().await?;
            let errors: Vec<_> = report.errors().map(|(_, error)| error.to_owned()).collect();
            assert!(errors.join(" ").contains(says), "{says}: {errors:?}");
            assert_eq!(dead(&test).await?, Vec::<String>::new());
        }
        Ok(())
    })
    .await;
}

/// Parsing in this process gives the same.
#[tokio::test]
async fn a_document_is_the_same_in_process() {
    let docx = docx("Tides", &["The moon pulls."]);
    let (child, own) = (
        in_child().parse(docx.clone(), None).await.unwrap(),
        Documents::in_process().parse(docx, None).await.unwrap(),
    );
    assert_eq!(child, own);
}
