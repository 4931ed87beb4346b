//! The programs as processes: what `cargo run -p migration` and `pgai-sea` run.

use std::process::Output;

use migration::{Migrator, MigratorTrait};
use pgai_sea_tests::providers::Provider;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_catalog};
use tokio::process::Command;

use super::blog::Blog;

/// The program `pgai-sea`, with the blog's provider in its environment.
pub(super) fn pgai_sea(blog: &Blog) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"));
    command
        .env("OPENAI_API_KEY", Provider::API_KEY)
        .env("OPENAI_BASE_URL", blog.provider.openai_url())
        .kill_on_drop(true);
    command
}

async fn migrate(test: &TestDatabase, arguments: &[&str]) -> std::io::Result<Output> {
    Command::new(env!("CARGO_BIN_EXE_migration-under-test"))
        .args(arguments)
        .env("DATABASE_URL", &test.url)
        .output()
        .await
}

#[tokio::test]
async fn the_migrator_s_commands_do_what_they_say_and_exit_with_0() {
    on_both_catalogs(async |test| -> TestResult {
        let store = "select to_regclass('blog_posts_embedding_store') is not null";
        for (command, there) in [
            ("up", true),
            ("status", true),
            ("fresh", true),
            ("down", false),
            ("up", true),
        ] {
            let output = migrate(&test, &[command]).await?;
            assert!(output.status.success(), "{command}: {output:?}");
            assert_eq!(test.value::<bool>(store).await?, there, "the store after {command}");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_migration_that_fails_exits_with_another_code_and_says_why() {
    on_catalog(Catalog::Bare, async |test| -> TestResult {
        // a table of that name, which the second migration wants to make
        test.execute("create table blog_posts (id int)").await?;
        let output = migrate(&test, &["up"]).await?;
        assert!(!output.status.success(), "{output:?}");
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("blog_posts"), "{said}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn worker_once_embeds_what_is_queued_and_status_shows_it() {
    on_both_catalogs(async |test| -> TestResult {
        let blog = Blog::new(test).await?;
        let id = blog.publish("Tides", "twice a day").await?;
        let status = pgai_sea(&blog).args(["status", "-d", &blog.test.url]).output().await?;
        assert!(status.status.success(), "{status:?}");
        assert!(
            String::from_utf8_lossy(&status.stdout).contains("blog_posts"),
            "{status:?}"
        );
        let worker = pgai_sea(&blog)
            .args(["worker", "-d", &blog.test.url, "--once"])
            .output()
            .await?;
        assert!(worker.status.success(), "{worker:?}");
        assert_eq!(blog.queued().await?, (0, 0));
        blog.assert_embedded(&[(id, vec!["Tides - twice a day".to_owned()])].into())
            .await
    })
    .await;
}

#[tokio::test]
async fn install_brings_the_catalog_that_migrations_then_find() {
    on_catalog(Catalog::Bare, async |test| -> TestResult {
        let mut install = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"));
        for _ in 0..2 {
            let output = install.args(["install", "-d", &test.url]).output().await?;
            assert!(output.status.success(), "{output:?}");
            install = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"));
        }
        Migrator::up(&test.db, None).await?;
        assert_eq!(test.value::<i64>("select count(*) from ai.vectorizer").await?, 1);
        Ok(())
    })
    .await;
}

/// Whatever is wrong with an address, and wherever it is given.
#[tokio::test]
async fn no_password_is_printed() {
    for address in [
        "postgres://u:s3cret@h:notaport/x",
        "postgres://u:s3cret@127.0.0.1:1/x",
        "postgres://u:1/s3cret@127.0.0.1:1/x",
        "postgres://u@127.0.0.1:1/x?password=s3cret",
        "postgres://u@127.0.0.1:1/x?sslmode=s3cret",
        "mysql://u:s3cret@h/x",
        "host=h user=u password=s3cret",
        "s3cret@h",
    ] {
        let pgai_sea = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"));
            command.env_remove("DATABASE_URL").kill_on_drop(true);
            command
        };
        let runs = [
            pgai_sea().args(["status", "-d", address]).output().await.unwrap(),
            pgai_sea()
                .arg("install")
                .env("DATABASE_URL", address)
                .output()
                .await
                .unwrap(),
            pgai_sea()
                .args(["worker", "--once", "--db-url", address])
                .output()
                .await
                .unwrap(),
            // the option is forgotten, or its name is mistaken
            pgai_sea().args(["status", address]).output().await.unwrap(),
            pgai_sea().args(["errors", address]).output().await.unwrap(),
            pgai_sea().args(["pause", address]).output().await.unwrap(),
            pgai_sea()
                .args(["status", &format!("--db={address}")])
                .output()
                .await
                .unwrap(),
        ];
        for output in runs {
            let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success(), "{said}");
            assert!(!said.contains("s3cret"), "{said}");
            assert!(
                said.contains("connect")
                    || said.contains("address")
                    || said.contains("argument")
                    || said.contains("invalid value"),
                "{said}"
            );
        }
    }
}
