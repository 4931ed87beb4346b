//! `pgai-sea check`, `uninstall`, and `--print-sql`: the schema as an operator sees it.

use std::process::{Output, Stdio};

use pgai_sea::catalog;
use pgai_sea_tests::{Catalog, Snapshot, TestDatabase, TestResult, on_both_catalogs, on_catalog};
use tokio::process::Command;

use crate::catalog::releases::{self, RELEASES};
use crate::catalog::upgrade::same;

async fn run(test: &TestDatabase, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"));
    command
        .args(arguments)
        .args(["-d", &test.url])
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap()
}

async fn said(test: &TestDatabase, arguments: &[&str]) -> String {
    let output = run(test, arguments).await;
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What a command that has to fail prints, and its complaint.
async fn refused(test: &TestDatabase, arguments: &[&str]) -> (String, String) {
    let output = run(test, arguments).await;
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

async fn vectorizers(test: &TestDatabase) -> TestResult {
    test.execute(
        "create table posts (id int primary key, body text, title text);
         create table notes (id int primary key, body text);
         select ai.create_vectorizer('posts', name => 'posts', loading => ai.loading_column('body'),
            embedding => ai.embedding_openai('text-embedding-3-small', 8));
         select ai.create_vectorizer('notes', name => 'notes', loading => ai.loading_column('body'),
            embedding => ai.embedding_openai('text-embedding-3-small', 8), chunking => ai.chunking_none(),
            destination => ai.destination_column('vector'))",
    )
    .await?;
    Ok(())
}

/// What `install --print-sql` prints makes what `install` makes, anew and from every release; printing makes nothing.
#[tokio::test]
async fn the_printed_installation_is_the_installation() {
    on_catalog(Catalog::Ours, async |installed| {
        let wanted = Snapshot::of(&installed.db).await?;
        let wanted = &wanted;
        assert!(
            said(&installed, &["install", "--print-sql"])
                .await
                .starts_with("-- the schema ai is there already")
        );
        on_catalog(Catalog::Bare, async |test| {
            let before = Snapshot::of(&test.db).await?;
            let sql = said(&test, &["install", "--print-sql"]).await;
            same(&before, &Snapshot::of(&test.db).await?);
            test.execute(&sql).await?;
            same(wanted, &Snapshot::of(&test.db).await?);
            let again = catalog::install(&test.db).await?;
            assert!(matches!(again, catalog::Installed::AlreadyInstalled { .. }), "{again}");
            // and what it recorded can be removed
            said(&test, &["uninstall"]).await;
            assert_eq!(
                test.value::<i64>("select count(*) from pg_namespace where nspname = 'ai'")
                    .await?,
                0
            );
            Ok(())
        })
        .await;
        for (version, _) in RELEASES {
            on_catalog(Catalog::Bare, async |test| {
                releases::install(&test, *version).await?;
                let (found, _) = refused(&test, &["check"]).await;
                assert!(
                    found.contains(&format!("of version {version}, and this pgai-sea brings")),
                    "{found}"
                );
                let sql = said(&test, &["install", "--print-sql"]).await;
                test.execute(&sql).await?;
                same(wanted, &Snapshot::of(&test.db).await?);
                let recorded = "select functions from ai.pgai_sea_migration order by version desc limit 1";
                let mut functions: [Vec<String>; 2] = [test.value(recorded).await?, installed.value(recorded).await?];
                for functions in &mut functions {
                    functions.sort();
                }
                assert_eq!(functions[0], functions[1]);
                Ok(())
            })
            .await;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn uninstalling_asks_before_vectorizers_go_and_says_what_goes() {
    on_catalog(Catalog::Bare, async |test| {
        let before = Snapshot::of(&test.db).await?;
        let before = &before;
        for is_printed in [false, true] {
            catalog::install(&test.db).await?;
            vectorizers(&test).await?;
            let (_, complaint) = refused(&test, &["uninstall"]).await;
            assert!(
                complaint.contains("notes") && complaint.contains("posts"),
                "{complaint}"
            );
            let there = Snapshot::of(&test.db).await?;
            let sql = said(&test, &["uninstall", "--drop-vectorizers", "--print-sql"]).await;
            same(&there, &Snapshot::of(&test.db).await?);
            if is_printed {
                test.execute(&sql).await?;
            } else {
                let gone = said(&test, &["uninstall", "--drop-vectorizers"]).await;
                assert!(
                    gone.contains("posts_embedding_store") && gone.contains("column vector stays"),
                    "{gone}"
                );
            }
            assert_eq!(
                test.value::<i64>("select count(*) from pg_attribute where attname = 'vector'")
                    .await?,
                1
            );
            test.execute("drop table posts, notes").await?;
            same(before, &Snapshot::of(&test.db).await?);
        }
        let (_, complaint) = refused(&test, &["uninstall"]).await;
        assert!(complaint.contains("pgai-sea install"), "{complaint}");
        Ok(())
    })
    .await;
    on_catalog(Catalog::Pgai, async |test| {
        let (_, complaint) = refused(&test, &["uninstall"]).await;
        assert!(complaint.contains("no schema ai of pgai-sea"), "{complaint}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_check_finds_what_is_broken_without_an_application() {
    on_both_catalogs(async |test| {
        vectorizers(&test).await?;
        assert_eq!(said(&test, &["check"]).await, "nothing found\n");
        let function: String = test
            .value("select trigger_name::text from ai.vectorizer where name = 'posts'")
            .await?;
        let trigger: String = test
            .value(&format!(
                "select tgname::text from pg_trigger where tgfoid = 'ai.{function}'::regproc order by 1 limit 1"
            ))
            .await?;
        for (name, breaks, mends, words) in [
            (
                "posts",
                format!("alter table posts disable trigger {trigger}"),
                format!("alter table posts enable trigger {trigger}"),
                "is disabled",
            ),
            (
                "posts",
                "alter table posts_embedding_store rename to elsewhere".to_owned(),
                "alter table elsewhere rename to posts_embedding_store".to_owned(),
                "posts_embedding_store is gone",
            ),
            (
                "posts",
                "alter view posts_embedding rename to elsewhere".to_owned(),
                "alter view elsewhere rename to posts_embedding".to_owned(),
                "its view public.posts_embedding is gone",
            ),
            (
                "notes",
                "update ai.vectorizer set config = jsonb_set(config, '{embedding,dimensions}', '9')".to_owned(),
                "update ai.vectorizer set config = jsonb_set(config, '{embedding,dimensions}', '8')".to_owned(),
                "have 9 dimensions",
            ),
            (
                "notes",
                "alter table notes rename vector to elsewhere".to_owned(),
                "alter table notes rename elsewhere to vector".to_owned(),
                "has no column vector",
            ),
            (
                "posts",
                "create index broken on posts_embedding_store (chunk);
                 update pg_index set indisvalid = false where indexrelid = 'broken'::regclass"
                    .to_owned(),
                "drop index broken".to_owned(),
                "the index public.broken is invalid",
            ),
        ] {
            test.execute(&breaks).await?;
            let (found, complaint) = refused(&test, &["check"]).await;
            assert!(
                found.contains(&format!("vectorizer {name}: ")) && found.contains(words),
                "{breaks}: {found}"
            );
            assert!(
                found.contains("repair: ") && complaint.contains("found"),
                "{found}{complaint}"
            );
            test.execute(&mends).await?;
            assert_eq!(said(&test, &["check"]).await, "nothing found\n", "after {mends}");
        }
        Ok(())
    })
    .await;
    on_catalog(Catalog::Bare, async |test| {
        let (found, _) = refused(&test, &["check"]).await;
        assert!(found.contains("no `ai` schema"), "{found}");
        Ok(())
    })
    .await;
}

/// As the derive's check does, from a file.
#[tokio::test]
async fn a_check_compares_with_what_a_file_declares() {
    on_both_catalogs(async |test| {
        vectorizers(&test).await?;
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("vectorizers.json");
        let path = file.to_str().expect("a path").to_owned();
        let declared = |chunking: &str, table: &str| {
            format!(
                r#"[{{"entity": "app::note::vector", "source_schema": null, "source_table": "notes",
                      "loading_column": "body", "dimensions": 8,
                      "destination": {{"column": {{"embedding_column": "vector"}}}},
                      "embedding": null, "chunking": {{"implementation": "none"}},
                      "formatting": null, "indexing": null}},
                    {{"entity": "app::post::body_embeddings", "source_schema": null, "source_table": "{table}",
                      "loading_column": "body", "dimensions": 8,
                      "destination": {{"table": {{"target_schema": null, "target_table": "{table}_embedding_store",
                        "view_schema": null, "view_name": "{table}_embedding"}}}},
                      "embedding": {{"implementation": "openai", "model": "text-embedding-3-small", "dimensions": 8}},
                      "chunking": {chunking}, "formatting": null, "indexing": null}}]"#
            )
        };
        let recursive = r#"{"implementation": "recursive_character_text_splitter", "chunk_size": 800}"#;
        std::fs::write(&file, declared(recursive, "posts"))?;
        assert_eq!(said(&test, &["check", &path]).await, "nothing found\n");
        // what the file leaves out of an option is the database's default
        let other = r#"{"implementation": "recursive_character_text_splitter", "chunk_size": 500}"#;
        std::fs::write(&file, declared(other, "posts"))?;
        let (found, _) = refused(&test, &["check", &path]).await;
        assert!(
            found.contains("chunk_size 500") && found.contains("chunk_size 800"),
            "{found}"
        );
        std::fs::write(&file, declared("null", "pages"))?;
        let (found, _) = refused(&test, &["check", &path]).await;
        assert!(
            found.contains("app::post::body_embeddings") && found.contains("no vectorizer"),
            "{found}"
        );
        assert!(
            found.contains("vectorizer posts of public.posts is declared by no entity"),
            "{found}"
        );
        std::fs::write(&file, "[{}]")?;
        let (_, complaint) = refused(&test, &["check", &path]).await;
        assert!(complaint.contains("declared_json"), "{complaint}");
        let (_, complaint) = refused(&test, &["check", "/no/such/file"]).await;
        assert!(complaint.contains("/no/such/file"), "{complaint}");
        Ok(())
    })
    .await;
}
