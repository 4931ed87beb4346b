//! A chunk knows its place: bytes, characters, page and headings, through edits, changes and both workers' catalogs.

use std::sync::Arc;

use pgai_sea::prelude::*;
use pgai_sea::search::ChunkHit as _;
use pgai_sea::testing::FakeEmbedder;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_catalog};
use sea_orm::{ColumnTrait as _, ConnectionTrait as _, DbBackend, DbErr, Statement};

use super::support::{Reply, Web, in_child};
use super::vectorizers::{dead, files, work_off};

mod file {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "files")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        #[vectorizer(dimensions = 8, loading = uri("uri"), formatting = "$page|$headings|$title: $chunk")]
        pub uri: Option<String>,
        pub title: Option<String>,
    }
    impl ActiveModelBehavior for ActiveModel {}
}
use file::uri_embeddings;

/// What pgai's stores do not have.
const COLUMNS: &str = "alter table files_embedding_store add chunk_byte_start int, add chunk_byte_end int,
    add chunk_char_start int, add chunk_char_end int, add chunk_page int, add chunk_headings text[]";

/// A stored chunk without the template, its bytes, its characters, and page and headings for people.
type Placed = (String, std::ops::Range<usize>, std::ops::Range<usize>, String);

async fn placed(test: &TestDatabase) -> Result<Vec<Placed>, DbErr> {
    let sql =
        "select regexp_replace(chunk, '^[^:]*: ', '') as text, chunk_byte_start, chunk_byte_end, chunk_char_start,
            chunk_char_end, concat_ws(' ', chunk_page, array_to_string(chunk_headings, '/')) as place
        from files_embedding_store order by id, chunk_seq";
    let rows = test
        .db
        .query_all_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await?;
    let range = |row: &sea_orm::QueryResult, unit: &str| -> Result<std::ops::Range<usize>, DbErr> {
        let (start, end): (i32, i32) = (
            row.try_get("", &format!("chunk_{unit}_start"))?,
            row.try_get("", &format!("chunk_{unit}_end"))?,
        );
        Ok(usize::try_from(start).unwrap()..usize::try_from(end).unwrap())
    };
    rows.iter()
        .map(|row| {
            Ok((
                row.try_get("", "text")?,
                range(row, "byte")?,
                range(row, "char")?,
                row.try_get("", "place")?,
            ))
        })
        .collect()
}

/// Each chunk is what the text has at its place, counted in either way.
fn assert_in(text: &str, placed: &[Placed]) {
    for (chunk, bytes, characters, _) in placed {
        assert_eq!(&text[bytes.clone()], chunk, "{bytes:?}");
        let counted: String = text.chars().skip(characters.start).take(characters.len()).collect();
        assert_eq!(&counted, chunk, "{characters:?}");
    }
}

async fn made(test: &TestDatabase, catalog: Catalog, more: &str) -> TestResult {
    files(test, more).await?;
    if catalog == Catalog::Pgai {
        test.execute(COLUMNS).await?;
    }
    Ok(())
}

const FIRST: &str = "# Gezeiten\n\nDer Mond zieht. Überall.\n\n## Übung\n\nZähle die Flut.\n\nZähle sie.";

#[tokio::test]
async fn a_chunk_keeps_its_vector_and_gets_its_place_when_the_text_around_it_shifts() {
    for catalog in [Catalog::Ours, Catalog::Pgai] {
        on_catalog(catalog, async |test| {
            let (web, embedder) = (Web::start().await, Arc::new(FakeEmbedder::new(8)));
            made(&test, catalog, ", loading => ai.loading_uri('uri')").await?;
            web.serve("/1", Reply::ok(FIRST));
            let shifted = FIRST
                .replace("Der Mond", "Der näher gerückte Mond")
                .replace("# Ü", "# Kl. Ü");
            web.serve("/2", Reply::ok(shifted.as_str()));
            test.execute(&format!("insert into files values (1, '{}', 'G')", web.url("/1")))
                .await?;
            let documents = in_child().allow_private_hosts().allow_prefix("http://");
            work_off(&test, &documents, &embedder).await;
            let before = placed(&test).await?;
            assert_in(FIRST, &before);
            let places: Vec<_> = before.iter().map(|chunk| chunk.3.as_str()).collect();
            assert_eq!(places, ["Gezeiten", "Gezeiten", "Gezeiten/Übung", "Gezeiten/Übung"]);

            test.execute(&format!("update files set uri = '{}'", web.url("/2")))
                .await?;
            let reports = work_off(&test, &documents, &embedder).await;
            let after = placed(&test).await?;
            assert_in(&shifted, &after);
            assert_eq!(after.last().unwrap().3, "Gezeiten/Kl. Übung");
            let counts = reports[0].counts();
            assert_eq!((counts.texts, counts.chunks_kept), (2, 2), "{after:?}");
            Ok(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_template_names_page_and_headings_and_hits_know_them() {
    on_both_catalogs(async |test| -> TestResult {
        let (web, embedder) = (Web::start().await, Arc::new(FakeEmbedder::new(8)));
        test.execute(
            "create table files (id int primary key, uri text, title text);
             select ai.create_vectorizer('files', name => 'files', embedding => ai.embedding_ollama('m', 8),
                loading => ai.loading_uri('uri'),
                chunking => ai.chunking_recursive_character_text_splitter(chunk_size => 200, chunk_overlap => 0),
                formatting => ai.formatting_python_template('$page|${headings}|$title: $chunk'))",
        )
        .await?;
        let pdf = std::fs::read(real_parts::documents_dir()?.join("Sacred Texts of PostgreSQL.pdf"))?;
        let parsed = in_child().parse(pdf.clone(), None).await?;
        web.serve("/pdf", Reply::ok(pdf));
        web.serve("/md", Reply::ok("# Tides\n\n## Moon\n\nIt pulls."));
        test.execute(&format!(
            "insert into files values (1, '{0}/pdf', 'P'), (2, '{0}/md', 'M')",
            web.url("")
        ))
        .await?;
        let documents = in_child().allow_private_hosts().allow_prefix("http://");
        work_off(&test, &documents, &embedder).await;
        assert_eq!(dead(&test).await?, Vec::<String>::new());

        let chunking = pgai_sea::Chunking::recursive_character_text_splitter()
            .chunk_size(200)
            .chunk_overlap(0);
        let passages = parsed.passages(&chunking.into())?;
        let expected = passages
            .iter()
            .map(|passage| format!("{}||P: {}", passage.place.page.unwrap(), passage.text));
        let stored: Vec<String> = test
            .values("select chunk from files_embedding_store where id = 1 order by chunk_seq")
            .await?;
        assert_eq!(stored, expected.collect::<Vec<_>>());
        assert!(stored.len() > 3);
        let stored: String = test
            .value("select chunk from files_embedding_store where id = 2")
            .await?;
        assert_eq!(stored, "|Tides|M: # Tides\n\n## Moon\n\nIt pulls.");

        // on pgai's catalog there is nowhere to read it from
        let is_ours: bool = test
            .value("select to_regprocedure('ai.keep_places(int)') is not null")
            .await?;
        let query = || vec![0.1_f32; 8];
        let hits = uri_embeddings::Entity::search(query())
            .limit(200)
            .with_places()
            .all(&test.db)
            .await?;
        assert_eq!(hits.len(), passages.len() + 1);
        for hit in &hits {
            assert_eq!(hit.place().is_some(), is_ours);
            let Some(place) = hit.place().filter(|_| hit.embedding.source_key == 1) else {
                continue;
            };
            let seq = usize::try_from(hit.embedding.chunk_seq).unwrap();
            assert_eq!(*place, passages[seq].place);
            let text = parsed.markdown();
            assert_eq!(
                hit.embedding.place_in(text).map(|place| &text[place]),
                Some(&*passages[seq].text)
            );
        }
        // every way that a statement is made
        let filtered = uri_embeddings::Entity::search(query())
            .with_places()
            .with_neighbours(1, 1);
        let filtered = filtered.filter(file::Column::Id.eq(2)).with_source().ef_search(50);
        let json = filtered.clone().into_json().all(&test.db).await?;
        let place = &json[0]["embedding"]["place"];
        assert_eq!(place["headings"] == serde_json::json!(["Tides"]), is_ours, "{place}");
        let best = filtered.best_per_source().exact().all(&test.db).await?;
        assert_eq!(
            best[0].place().map(ToString::to_string),
            is_ours.then(|| "Tides".to_owned())
        );
        Ok(())
    })
    .await;
}

/// A column of that name is the row's.
#[tokio::test]
async fn a_column_called_page_is_meant_before_the_chunk_s_page() {
    on_both_catalogs(async |test| -> TestResult {
        let (web, embedder) = (Web::start().await, Arc::new(FakeEmbedder::new(8)));
        web.serve("/md", Reply::ok("# Tides"));
        test.execute(&format!(
            "create table files (id int primary key, uri text, page int, title text);
             insert into files values (1, '{}', 42, '')",
            web.url("/md")
        ))
        .await?;
        test.execute(
            "select ai.create_vectorizer('files', name => 'files', embedding => ai.embedding_ollama('m', 8),
                loading => ai.loading_uri('uri'),
                formatting => ai.formatting_python_template('$page $headings: $chunk'))",
        )
        .await?;
        let documents = in_child().allow_private_hosts().allow_prefix("http://");
        work_off(&test, &documents, &embedder).await;
        let chunk: String = test.value("select chunk from files_embedding_store").await?;
        assert_eq!(chunk, "42 Tides: # Tides");
        Ok(())
    })
    .await;
}

/// A text's store says no places until it is told to. Nothing is embedded for that.
#[tokio::test]
async fn a_text_s_store_says_places_from_then_on() {
    on_catalog(Catalog::Ours, async |test| {
        let embedder = Arc::new(FakeEmbedder::new(8));
        files(&test, ", loading => ai.loading_column('uri')").await?;
        test.execute("insert into files values (1, 'Ä moon. The sea rises and falls.', 'T')")
            .await?;
        work_off(&test, &in_child(), &embedder).await;
        let has = "select count(*) from pg_attribute where attrelid = 'files_embedding_store'::regclass
            and attname in ('chunk_page', 'chunk_headings')";
        assert_eq!(test.value::<i64>(has).await?, 0);
        assert_eq!(test.value::<i64>("select ai.keep_places('files')").await?, 1);
        assert_eq!(test.value::<i64>(has).await?, 2);
        let reports = work_off(&test, &in_child(), &embedder).await;
        assert_eq!((reports[0].counts().texts, reports[0].counts().chunks_kept), (0, 1));
        assert_in("Ä moon. The sea rises and falls.", &placed(&test).await?);
        // again, and a change keeps it
        test.execute("select ai.keep_places('files')").await?;
        let changed = "select ai.change_vectorizer('files',
            chunking => ai.chunking_character_text_splitter(chunk_size => 9, chunk_overlap => 0, separator => ' '))";
        test.execute(changed).await?;
        work_off(&test, &in_child(), &embedder).await;
        test.execute("select ai.cut_over('files')").await?;
        let placed = placed(&test).await?;
        assert_in("Ä moon. The sea rises and falls.", &placed);
        assert_eq!(placed.len(), 4, "{placed:?}");
        let error = test.execute("select ai.keep_places('nobody')").await.unwrap_err();
        assert!(error.to_string().contains("there is no vectorizer nobody"), "{error}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn rows_are_queued_by_their_keys() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(
            "create table posts (lang text, id int, body text, primary key (lang, id));
             insert into posts select 'en', i, 'text' from generate_series(1, 3) i;
             select ai.create_vectorizer('posts', name => 'posts', embedding => ai.embedding_ollama('m', 8),
                loading => ai.loading_column('body'), enqueue_existing => false)",
        )
        .await?;
        let one = r#"select ai.requeue('posts', '{"id": 2, "lang": "en"}')"#;
        assert_eq!(test.value::<i64>(one).await?, 1);
        let queue: String = test.value("select queue_table from ai.vectorizer").await?;
        let queued: Vec<String> = test.values(&format!("select concat(lang, id) from ai.{queue}")).await?;
        assert_eq!(queued, ["en2"]);
        assert_eq!(test.value::<i64>("select ai.requeue('posts')").await?, 3);
        for key in ["7", r#"{"id": 1}"#, r#"[{"lang": "a", "id": 1, "x": 2}]"#, "null"] {
            let error = test.execute(&format!("select ai.requeue('posts', '{key}')")).await;
            let error = error.unwrap_err().to_string();
            assert!(error.contains("is not a key of vectorizer posts"), "{error}");
        }
        Ok(())
    })
    .await;
}
