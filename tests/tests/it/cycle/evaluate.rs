//! `pgai-sea evaluate`: questions with known answers, asked of a vectorizer.

use std::path::Path;
use std::process::{Output, Stdio};

use pgai_sea_tests::providers::Provider;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_catalog};
use serde_json::Value;
use tokio::process::Command;

async fn pgai_sea(test: &TestDatabase, arguments: &[&str]) -> Output {
    let command = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
        .args(arguments)
        .args(["-d", &test.url, "--allow-host", "127.0.0.1"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    command.unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn json(file: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// Sixty rows whose vectors are all different; the text of a row is the question that it answers.
async fn posts(test: &TestDatabase, key: &str, more: &str) -> Result<Provider, sea_orm::DbErr> {
    let provider = Provider::start();
    provider.install("model", 8);
    test.execute(&format!(
        "create table posts (id int, lang text default 'en', body text, primary key ({key}));
         insert into posts (id, body) select i, 'text ' || i from generate_series(1, 60) i;
         select ai.create_vectorizer('posts', name => 'posts', loading => ai.loading_column('body'),
            embedding => ai.embedding_ollama('model', 8, base_url => '{}'){more})",
        provider.ollama_url()
    ))
    .await?;
    let worked = pgai_sea(test, &["worker", "--once"]).await;
    assert!(worked.status.success(), "{worked:?}");
    Ok(provider)
}

#[tokio::test]
async fn a_report_says_what_is_found_and_why_the_rest_is_not() {
    on_both_catalogs(async |test| -> TestResult {
        let _provider = posts(&test, "id", "").await?;
        test.execute("create index on posts_embedding_store using hnsw (embedding vector_cosine_ops)")
            .await?;
        let dir = tempfile::tempdir()?;
        let path = |name: &str| dir.path().join(name);
        std::fs::write(
            path("judgments.toml"),
            "[[questions]]\ntext = \"text 7\"\nanswers = [7]\n\
             [[questions]]\ntext = \"text <9>\"\ngrades = { 999 = 2, 9 = 1 }\n\
             [[questions]]\ntext = \"text 8\"\nanswers = [8]\n",
        )?;
        let [judgments, html, report] =
            ["judgments.toml", "page.html", "report.json"].map(|name| path(name).display().to_string());
        let arguments = [
            "evaluate", &judgments, "-i", "posts", "-k", "3", "--json", &report, "--html", &html,
        ];
        let said = stdout(&pgai_sea(&test, &arguments).await);
        assert!(said.starts_with("3 questions\nnDCG@3"), "{said}");
        for scan in ["hnsw.ef_search = 10 ", "hnsw.ef_search = 320 ", "exact "] {
            assert!(said.contains(scan), "{scan}: {said}");
        }
        let exact = said.lines().find(|line| line.starts_with("exact")).unwrap();
        assert!(exact.contains("index recall 1.000"), "{exact}");

        let before = json(&path("report.json"));
        let of = |question: usize| before["questions"][question].clone();
        assert_eq!((&of(0)["ranking"][0], &of(2)["ranking"][0]), (&"7".into(), &"8".into()));
        assert_eq!(of(0)["measures"]["ndcg"], 1.0);
        assert_eq!(of(1)["missed"]["999"], "has no embeddings");
        let page = std::fs::read_to_string(path("page.html"))?;
        assert!(
            page.contains("text &#60;9&#62;") && page.contains("<polyline points="),
            "{page}"
        );

        // what got worse, and a gate
        test.execute("delete from posts where id = 8").await?;
        let arguments = [
            "evaluate",
            &judgments,
            "-i",
            "posts",
            "-k",
            "3",
            "--before",
            &report,
            "--at-least",
            "0.9",
        ];
        let output = pgai_sea(&test, &arguments).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            said.contains("0 questions got better, 1 got worse\n  1.000 to 0.000 text 8"),
            "{said}"
        );
        assert!(said.contains("8 has no embeddings"), "{said}");
        let refused = String::from_utf8_lossy(&output.stderr);
        assert!(
            refused.contains("should be at least 0.9") && refused.contains("text 8"),
            "{refused}"
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_composite_key_is_written_with_slashes() {
    on_catalog(Catalog::Ours, async |test| {
        let more = ", destination => ai.destination_table('elsewhere')";
        let _provider = posts(&test, "id, lang", more).await?;
        // vectors of zeros are at no distance from anything
        test.execute("update elsewhere_store set embedding = '[0,0,0,0,0,0,0,0]' where id > 8")
            .await?;
        let dir = tempfile::tempdir()?;
        let judgments = dir.path().join("judgments.toml");
        std::fs::write(&judgments, "[[questions]]\ntext = \"text 7\"\nanswers = [\"7/en\"]\n")?;
        let judgments = judgments.display().to_string();
        let said = stdout(&pgai_sea(&test, &["evaluate", &judgments, "-i", "posts", "--at-least", "1"]).await);
        // without an index there is one way to search
        let exact = said
            .lines()
            .find(|line| line.starts_with("exact"))
            .ok_or("no exact search")?;
        assert!(
            exact.contains("index recall 1.000") && !said.contains("ef_search"),
            "{said}"
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn mistakes_are_said() {
    on_catalog(Catalog::Ours, async |test| {
        let provider = posts(&test, "id", "").await?;
        let dir = tempfile::tempdir()?;
        let path = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let judgments = path("judgments.toml", "[[questions]]\ntext = \"text 7\"\nanswers = [7]\n");
        let empty = path("empty.toml", "");
        let refused = async |arguments: &[&str]| {
            let output = pgai_sea(&test, arguments).await;
            assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
            String::from_utf8_lossy(&output.stderr).into_owned()
        };
        for (arguments, words) in [
            (vec!["evaluate", "/nowhere.toml", "-i", "posts"], "/nowhere.toml"),
            (vec!["evaluate", &empty, "-i", "posts"], "[[questions]]"),
            (vec!["evaluate", &judgments, "-i", "notes"], "notes"),
            (
                vec!["evaluate", &judgments, "-i", "posts", "--before", &empty],
                "empty.toml is no report",
            ),
            (
                vec!["evaluate", &judgments, "-i", "posts", "--html", "/nowhere/page.html"],
                "/nowhere/page.html",
            ),
        ] {
            let said = refused(&arguments).await;
            assert!(said.contains(words), "{arguments:?}: {said}");
        }
        drop(provider);
        let said = refused(&["evaluate", &judgments, "-i", "posts"]).await;
        assert!(said.contains("ollama cannot be reached"), "{said}");
        Ok(())
    })
    .await;
}
