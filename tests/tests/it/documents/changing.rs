//! Documents that change, come and go at their addresses, without an edit of their rows.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use pgai_sea::document::Documents;
use pgai_sea::testing::FakeEmbedder;
use pgai_sea_tests::{Catalog, Random, TestDatabase, TestResult, on_both_catalogs, on_catalog, rounds, seed};
use sea_orm::DbErr;

use super::support::{Reply, Web, in_child};
use super::vectorizers::{dead, files, work_off, worker};

fn tagged(text: &str, tag: &str) -> Reply {
    Reply::ok(text).header("etag", tag)
}

async fn chunks(test: &TestDatabase) -> Result<Vec<String>, DbErr> {
    test.values("select concat_ws('/', id, chunk) from files_embedding_store order by id, chunk_seq")
        .await
}

fn documents() -> Documents {
    in_child()
        .allow_private_hosts()
        .allow_prefix("http://")
        .recheck(Duration::ZERO)
}

/// What was asked for since the last time.
fn asked(web: &Web, before: &mut usize) -> Vec<String> {
    let all = web.asked();
    let since = all[*before..].iter().map(|asked| {
        let condition = ["if-none-match", "if-modified-since"]
            .iter()
            .find_map(|name| asked.headers.get(*name));
        format!("{} {}", asked.target, condition.map_or("", String::as_str))
    });
    let mut since: Vec<String> = since.map(|asked| asked.trim().to_owned()).collect();
    since.sort();
    *before = all.len();
    since
}

#[tokio::test]
async fn a_look_finds_what_changed_and_embeds_nothing_else() {
    on_catalog(Catalog::Ours, async |test| {
        let (web, embedder, mut seen) = (Web::start().await, Arc::new(FakeEmbedder::new(8)), 0);
        files(&test, ", loading => ai.loading_uri('uri', retries => 0)").await?;
        web.serve("/tag", tagged("The moon pulls the sea.\n\nIt rises.", "\"1\""));
        let date = "Mon, 02 Mar 2026 10:00:00 GMT";
        web.serve(
            "/date",
            Reply::ok("The sun heats the air.").header("last-modified", date),
        );
        web.serve("/nothing", Reply::ok("Nobody knows."));
        web.serve("/broken", tagged("%PDF-1.4 and nothing", "\"1\""));
        test.execute(&format!(
            "insert into files values (1, '{0}/tag', 'A'), (2, '{0}/date', 'B'), (3, '{0}/nothing', 'C'),
                (4, '{0}/broken', 'D'), (5, null, 'E')",
            web.url("")
        ))
        .await?;
        work_off(&test, &documents(), &embedder).await;
        let first = chunks(&test).await?;
        assert_eq!(first.len(), 4, "{first:?}");
        assert_eq!(dead(&test).await?, ["4 parsing"]);

        // nothing has changed. Of one nobody can tell, so it is loaded, and not embedded
        asked(&web, &mut seen);
        let reports = work_off(&test, &documents(), &embedder).await;
        let looks = [
            "/broken \"1\"",
            &format!("/date {date}"),
            "/nothing",
            "/nothing",
            "/tag \"1\"",
        ];
        assert_eq!(asked(&web, &mut seen), looks);
        assert_eq!(reports[0].counts().texts, 0);
        assert_eq!(chunks(&test).await?, first);

        // two changed, and one of them is understood now
        web.serve("/tag", tagged("The moon pulls the seas.\n\nIt rises.", "\"2\""));
        web.serve("/broken", tagged("Mended.", "\"2\""));
        // a server that knows conditions
        web.serve("/date", Reply::status(304));
        let reports = work_off(&test, &documents(), &embedder).await;
        let now = chunks(&test).await?;
        assert!(
            now[0].contains("seas") && now.iter().any(|chunk| chunk == "4/D: Mended."),
            "{now:?}"
        );
        assert_eq!(dead(&test).await?, Vec::<String>::new());
        assert_eq!(reports.iter().map(|report| report.counts().texts).sum::<u64>(), 2);

        // a server that is down is nobody's change
        for path in ["/tag", "/date", "/broken", "/nothing"] {
            web.serve(path, Reply::status(503));
        }
        work_off(&test, &documents(), &embedder).await;
        assert_eq!(chunks(&test).await?, now);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_is_gone_takes_its_embeddings_along_and_brings_them_back() {
    on_catalog(Catalog::Ours, async |test| {
        let (web, embedder) = (Web::start().await, Arc::new(FakeEmbedder::new(8)));
        files(&test, ", loading => ai.loading_uri('uri', retries => 0)").await?;
        web.serve("/1", tagged("One.", "\"1\""));
        web.serve("/2", tagged("Two.", "\"1\""));
        test.execute(&format!(
            "insert into files values (1, '{0}/1', 'A'), (2, '{0}/2', 'B')",
            web.url("")
        ))
        .await?;
        for (documents, given_up) in [(documents(), &["1 loading"][..]), (documents().forget_missing(), &[])] {
            work_off(&test, &documents, &embedder).await;
            assert_eq!(chunks(&test).await?, ["1/A: One.", "2/B: Two."]);
            web.serve("/1", Reply::status(404));
            work_off(&test, &documents, &embedder).await;
            assert_eq!(chunks(&test).await?, ["2/B: Two."]);
            assert_eq!(dead(&test).await?, given_up);
            web.serve("/1", tagged("One.", "\"1\""));
            work_off(&test, &documents, &embedder).await;
            assert_eq!(chunks(&test).await?, ["1/A: One.", "2/B: Two."]);
            assert_eq!(dead(&test).await?, Vec::<String>::new());
        }
        // a row that is gone is looked at once more
        test.execute("delete from files where id = 1").await?;
        work_off(&test, &documents(), &embedder).await;
        let known: Vec<Vec<String>> = test.values("select key from ai.vectorizer_document").await?;
        assert_eq!(known, [["2"]]);
        Ok(())
    })
    .await;
}

/// A worker that was not told to look keeps nothing, and one that is told later loads each document once more.
#[tokio::test]
async fn a_file_is_another_version_when_it_is_written() {
    on_catalog(Catalog::Ours, async |test| {
        let (dir, embedder) = (tempfile::tempdir()?, Arc::new(FakeEmbedder::new(8)));
        files(&test, ", loading => ai.loading_uri('uri')").await?;
        let file = dir.path().join("a.md");
        fs::write(&file, "One.")?;
        test.execute(&format!("insert into files values (1, '{}', 'A')", file.display()))
            .await?;
        let allowed = in_child().allow_path(dir.path());
        work_off(&test, &allowed, &embedder).await;
        let known = "select count(*) from ai.vectorizer_document";
        assert_eq!(test.value::<i64>(known).await?, 0);
        let looking = allowed.recheck(Duration::ZERO);
        let reports = work_off(&test, &looking, &embedder).await;
        assert_eq!((reports[0].counts().rows, reports[0].counts().texts), (1, 0));
        let reports = work_off(&test, &looking, &embedder).await;
        assert_eq!(reports[0].counts().rows, 0);
        fs::write(&file, "Two!")?;
        work_off(&test, &looking, &embedder).await;
        assert_eq!(chunks(&test).await?, ["1/A: Two!"]);
        Ok(())
    })
    .await;
}

/// On pgai's catalog nobody knows versions. Documents are embedded all the same, and rows can be queued.
#[tokio::test]
async fn rows_are_queued_again_on_both_catalogs() {
    on_both_catalogs(async |test| -> TestResult {
        let (web, embedder) = (Web::start().await, Arc::new(FakeEmbedder::new(8)));
        files(&test, ", loading => ai.loading_uri('uri')").await?;
        for path in ["/1", "/2"] {
            web.serve(path, tagged("Before.", "\"1\""));
        }
        let insert = format!(
            "insert into files values (1, '{0}/1', 'A'), (2, '{0}/2', 'B')",
            web.url("")
        );
        test.execute(&insert).await?;
        let quiet = in_child().allow_private_hosts().allow_prefix("http://");
        work_off(&test, &quiet, &embedder).await;
        for path in ["/1", "/2"] {
            web.serve(path, tagged("After.", "\"2\""));
        }
        let key = serde_json::json!({"id": 2}).as_object().unwrap().clone();
        assert_eq!(
            pgai_sea::catalog::requeue(&test.db, "files", std::slice::from_ref(&key)).await?,
            1
        );
        work_off(&test, &documents(), &embedder).await;
        let expected = if test
            .value("select to_regclass('ai.vectorizer_document') is null")
            .await?
        {
            ["1/A: Before.", "2/B: After."]
        } else {
            ["1/A: After.", "2/B: After."]
        };
        assert_eq!(chunks(&test).await?, expected);
        assert_eq!(pgai_sea::catalog::requeue_all(&test.db, "files").await?, 2);
        work_off(&test, &quiet, &embedder).await;
        assert_eq!(chunks(&test).await?, ["1/A: After.", "2/B: After."]);
        let mut wrong = key;
        wrong.insert("lang".to_owned(), "en".into());
        let error = pgai_sea::catalog::requeue(&test.db, "files", &[wrong])
            .await
            .unwrap_err();
        assert!(error.to_string().contains("id"), "{error}");
        Ok(())
    })
    .await;
}

/// Workers that look at the same documents while these change and rows come and go: in the end everything is as it is
/// now, and nobody was given up.
#[tokio::test]
async fn several_workers_look_while_everything_changes() {
    on_catalog(Catalog::Ours, async |test| {
        let (web, embedder) = (Web::start().await, Arc::new(FakeEmbedder::new(8)));
        files(&test, ", loading => ai.loading_uri('uri')").await?;
        let mut random = Random::new(seed(6_006));
        let looking = documents().recheck(Duration::from_millis(50));
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let workers: Vec<_> = (0..3)
            .map(|_| {
                let mut stopped = stopped.clone();
                let worker = worker(&test, looking.clone(), &embedder).poll_interval(Duration::from_millis(50));
                tokio::spawn(async move {
                    let until = async move { drop(stopped.wait_for(|stopped| *stopped).await) };
                    worker.run_until(until).await
                })
            })
            .collect();
        for round in 0..rounds(150) {
            let id = random.below(10);
            match random.below(4) {
                0 => {
                    test.execute(&format!(
                        "insert into files values ({id}, '{}', '') on conflict do nothing",
                        web.url(&format!("/{id}"))
                    ))
                    .await?;
                }
                1 if random.below(3) == 0 => test.execute(&format!("delete from files where id = {id}")).await?,
                2 if random.below(3) == 0 => web.serve(&format!("/{id}"), Reply::ok(format!("Untagged {round}."))),
                _ => web.serve(
                    &format!("/{id}"),
                    tagged(&format!("Text {round}."), &format!("\"{round}\"")),
                ),
            }
        }
        for id in 0..10 {
            web.serve(&format!("/{id}"), tagged(&format!("Last {id}."), "\"last\""));
        }
        let ids: Vec<i32> = test.values("select id from files order by id").await?;
        let expected: Vec<String> = ids.iter().map(|id| format!("{id}/: Last {id}.")).collect();
        let settled = async {
            while chunks(&test).await? != expected {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok::<_, DbErr>(())
        };
        let settled = tokio::time::timeout(Duration::from_mins(2), settled).await;
        assert!(settled.is_ok(), "{:?} and not {expected:?}", chunks(&test).await?);
        stop.send(true)?;
        for worker in workers {
            worker.await??;
        }
        Ok(())
    })
    .await;
}
