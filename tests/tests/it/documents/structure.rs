//! Chunks by the structure of Markdown and by the syntax of code.

use std::process::Command;
use std::sync::Arc;

use pgai_sea::Chunking;
use pgai_sea::migration::prelude::{CreateVectorizer, Embedding, Loading, SchemaManager, VectorizerManagerExt as _};
use pgai_sea::testing::FakeEmbedder;
use pgai_sea::text::SplitError;
use pgai_sea_tests::{Catalog, Random, on_catalog, rounds, seed};

use super::support::in_child;
use super::vectorizers::work_off;

const MARKDOWN: &str =
    "# Tides\n\nThe moon pulls.\n\n## Spring\n\nSun and moon pull together.\n\n- one\n- two\n\n# Winds\n\nAir moves.";

const RUST: &str = "use std::fs;\n\n\
                    /// Reads.\nfn read(path: &str) -> String {\n    fs::read_to_string(path).unwrap()\n}\n\n\
                    fn write(path: &str) {\n    fs::write(path, \"ä\").unwrap();\n}\n";

fn texts(chunking: &Chunking, text: &str) -> Vec<String> {
    let chunks = chunking.chunks(text).unwrap();
    for chunk in &chunks {
        assert_eq!(&text[chunk.bytes.clone()], chunk.text);
        assert_eq!(text[..chunk.bytes.start].chars().count(), chunk.characters.start);
    }
    chunks.into_iter().map(|chunk| chunk.text).collect()
}

#[test]
fn markdown_is_cut_at_its_headings_first() {
    let chunks = texts(&Chunking::markdown().chunk_size(60).into(), MARKDOWN);
    let expected = [
        "# Tides\n\nThe moon pulls.",
        "## Spring\n\nSun and moon pull together.\n\n- one\n- two",
        "# Winds\n\nAir moves.",
    ];
    assert_eq!(chunks, expected);
    assert_eq!(texts(&Chunking::markdown().into(), MARKDOWN), [MARKDOWN]);
    let error = Chunking::from(Chunking::markdown().chunk_size(5).chunk_overlap(5)).chunks("x");
    assert!(matches!(error, Err(SplitError::Size { .. })), "{error:?}");
}

#[test]
fn code_is_cut_between_functions() {
    let chunks = texts(&Chunking::code("rust").chunk_size(90).into(), RUST);
    assert_eq!(chunks.len(), 3, "{chunks:?}");
    assert!(
        chunks[1].starts_with("fn read") && chunks[1].ends_with('}'),
        "{chunks:?}"
    );
    assert!(
        chunks[2].starts_with("fn write") && chunks[2].ends_with('}'),
        "{chunks:?}"
    );
    for (language, code) in [
        ("python", "def a():\n    pass\n\ndef b():\n    pass\n"),
        ("javascript", "function a() { return 1 }\nfunction b() { return 2 }\n"),
        ("go", "func a() int { return 1 }\n\nfunc b() int { return 2 }\n"),
    ] {
        assert_eq!(
            texts(&Chunking::code(language).chunk_size(27).into(), code).len(),
            2,
            "{language}"
        );
    }
    let error = Chunking::from(Chunking::code("cobol")).chunks("x").unwrap_err();
    assert!(error.to_string().contains("`cobol` cannot be split"), "{error}");
}

/// What is no Markdown and no code is cut all the same, and every character that is no space is in a chunk.
#[test]
fn any_text_is_cut_and_nothing_is_lost() {
    const PARTS: [&str; 14] = [
        "# ",
        "\n",
        "\n\n",
        "```",
        "- ",
        "> ",
        "|a|b|\n|-|-|\n",
        "word ",
        "ü",
        "fn f() {",
        "}",
        "\0",
        "    ",
        "<b>",
    ];
    let mut random = Random::new(seed(4_004));
    for _ in 0..rounds(300) {
        let count = random.below(60);
        let text: String = (0..count)
            .map(|_| PARTS[usize::try_from(random.below(14)).unwrap()])
            .collect();
        let size = 5 + i32::try_from(random.below(50)).unwrap();
        for chunking in [
            Chunking::from(Chunking::markdown().chunk_size(size)),
            Chunking::code("rust").chunk_size(size).into(),
        ] {
            let chunks = texts(&chunking, &text);
            let dense = |text: &str| text.split_whitespace().collect::<String>();
            assert_eq!(dense(&chunks.concat()), dense(&text), "{text:?}");
            assert!(
                chunks
                    .iter()
                    .all(|chunk| chunk.chars().count() <= usize::try_from(size).unwrap())
            );
        }
    }
}

#[tokio::test]
async fn a_text_of_markdown_is_embedded_with_its_headings() {
    on_catalog(Catalog::Ours, async |test| {
        let embedder = Arc::new(FakeEmbedder::new(8));
        test.execute(
            "create table files (id int primary key, uri text, title text);
             select ai.create_vectorizer('files', name => 'files', embedding => ai.embedding_ollama('m', 8),
                loading => ai.loading_column('uri'), chunking => ai.chunking_markdown(60),
                formatting => ai.formatting_python_template('[$headings] $chunk'))",
        )
        .await?;
        test.execute(&format!("insert into files values (1, '{MARKDOWN}', '')"))
            .await?;
        work_off(&test, &in_child(), &embedder).await;
        let chunks: Vec<String> = test
            .values(
                "select split_part(chunk, E'\\n', 1) || array_to_string(chunk_headings, '/') \
                     from files_embedding_store order by chunk_seq",
            )
            .await?;
        let expected = [
            "[Tides] # TidesTides",
            "[Tides > Spring] ## SpringTides/Spring",
            "[Winds] # WindsWinds",
        ];
        assert_eq!(chunks, expected);
        for (chunking, says) in [
            ("ai.chunking_markdown(5, 5)", "less than chunk_size"),
            ("ai.chunking_code('cobol')", "language is cobol"),
            ("ai.chunking_code('rust', 0)", "chunk_size"),
        ] {
            let change = format!("select ai.change_vectorizer('files', chunking => {chunking})");
            let error = test.execute(&change).await.unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        // in code a # is no heading
        test.execute("select ai.change_vectorizer('files', chunking => ai.chunking_code('python'))")
            .await?;
        test.execute("update files set uri = E'# no heading\\nx = 1'").await?;
        work_off(&test, &in_child(), &embedder).await;
        test.execute("select ai.cut_over('files')").await?;
        let chunk: String = test.value("select chunk from files_embedding_store").await?;
        assert_eq!(chunk, "[] # no heading\nx = 1");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn pgai_s_catalog_is_told_before_anything_is_made() {
    on_catalog(Catalog::Pgai, async |test| {
        test.execute("create table files (id int primary key, body text)")
            .await?;
        for chunking in [Chunking::from(Chunking::markdown()), Chunking::code("rust").into()] {
            let create = CreateVectorizer::new("files")
                .loading(Loading::column("body"))
                .embedding(Embedding::ollama("m", 8))
                .chunking(chunking);
            let error = SchemaManager::new(&test.db)
                .create_vectorizer(create)
                .await
                .unwrap_err();
            assert!(error.to_string().contains("no chunking by structure"), "{error}");
        }
        assert_eq!(test.value::<i64>("select count(*) from ai.vectorizer").await?, 0);
        Ok(())
    })
    .await;
}

#[test]
fn the_preview_shows_them() {
    let dir = tempfile::tempdir().unwrap();
    let (markdown, code) = (dir.path().join("tides.md"), dir.path().join("a.rs"));
    std::fs::write(&markdown, MARKDOWN).unwrap();
    std::fs::write(&code, RUST).unwrap();
    let said = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"));
        let output = command.arg("preview").args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let shown = said(&[
        markdown.to_str().unwrap(),
        "--structure",
        "markdown",
        "--chunk-size",
        "60",
    ]);
    assert!(shown.contains("-- chunk 1, Tides > Spring\n## Spring"), "{shown}");
    let shown = said(&[code.to_str().unwrap(), "--structure", "rust", "--chunk-size", "90"]);
    assert!(shown.contains("-- chunk 2\nfn write"), "{shown}");
}
