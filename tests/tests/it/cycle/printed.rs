//! What the command prints of what others wrote: keys, reasons, addresses.

use std::process::Output;

use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_catalog};
use sea_orm::ConnectionTrait as _;
use tokio::process::Command;

async fn run(test: &TestDatabase, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"));
    let command = command.args(arguments).args(["-d", &test.url]).kill_on_drop(true);
    command.output().await.unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A terminal would clear the screen, ring, and take what follows for something else.
const CONTROLS: &str = "\u{1b}[2J\u{7}\u{9b}31m\u{202e}x\ry";

/// The name of a table or a column. pgai's functions take none with such characters.
fn name(test: &TestDatabase, plain: &str) -> String {
    match test.catalog {
        Catalog::Ours => format!("{plain}{CONTROLS}"),
        Catalog::Pgai | Catalog::Bare => plain.to_owned(),
    }
}

/// Two tables, whose rows and reasons have characters that terminals obey.
async fn tables(test: &TestDatabase) -> TestResult {
    let (t, k) = (name(test, "t"), name(test, "k"));
    test.execute(&format!(
        r#"create table "{t}" ("{k}" text primary key, body text);
         select ai.create_vectorizer('"{t}"', name => 'odd', loading => ai.loading_column('body'),
            destination => ai.destination_table(destination => 'odd'), embedding => ai.embedding_ollama('m', 3));
         create table plain (id int primary key, body text);
         select ai.create_vectorizer('plain', name => 'plain', loading => ai.loading_column('body'),
            embedding => ai.embedding_ollama('m', 3));
         insert into "{t}" values ('v{CONTROLS}', 'text'); insert into plain values (7, 'text');
         insert into ai._vectorizer_q_failed_1 values ('v{CONTROLS}', now(), 'step{CONTROLS}');
         insert into ai._vectorizer_q_failed_2 (id, failure_step) values (7, 'embedding');
         insert into ai._vectorizer_errors (id, message, details) values (1, 'message{CONTROLS}',
            jsonb_build_object('error_reason', 'reason{CONTROLS}', 'key', jsonb_build_object('{k}', 'v{CONTROLS}')))"#
    ))
    .await?;
    Ok(())
}

fn has_controls(text: &str) -> bool {
    text.chars().any(|c| c.is_control() && c != '\n' || c == '\u{202e}')
}

#[tokio::test]
async fn nothing_that_a_terminal_would_obey() {
    on_both_catalogs(async |test| -> TestResult {
        tables(&test).await?;
        for (arguments, part) in [
            (&["failed", "list"][..], r"v\u{1b}[2J\u{7}\u{9b}31m\u{202e}x\ry"),
            (&["errors"], r"reason\u{1b}[2J\u{7}\u{9b}31m\u{202e}x y"),
            (
                &["status"],
                if test.catalog == Catalog::Ours {
                    r"t\u{1b}[2J"
                } else {
                    "odd"
                },
            ),
            (&["retry", "plain", "--key", CONTROLS], r"\u{1b}[2J"),
            (&["check"], ""),
            // and the log of a worker whose table is gone
            (&["worker", "--once"], "odd"),
        ] {
            if arguments[0] == "worker" {
                let t = name(&test, "t");
                test.execute(&format!(r#"alter table "{t}" drop column body cascade"#))
                    .await?;
            }
            let said = printed(&run(&test, arguments).await);
            assert!(said.contains(part) && !has_controls(&said), "{arguments:?}: {said:?}");
        }
        // what programs read is JSON, which has escapes of its own
        let said = printed(&run(&test, &["failed", "list", "--json"]).await);
        let keys: Vec<serde_json::Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(
            keys.iter()
                .any(|row| row["key"][name(&test, "k")] == format!("v{CONTROLS}")),
            "{said}"
        );
        Ok(())
    })
    .await;
}

/// Whatever is wrong with one, the others' rows are listed, and queued again.
#[tokio::test]
async fn rows_given_up_are_listed_beside_a_vectorizer_that_cannot_be_read() {
    for damage in [
        "drop table ai._vectorizer_q_failed_1",
        "alter table ai._vectorizer_q_failed_1 rename to kept;
         create view ai._vectorizer_q_failed_1 as select * from ai.kept",
        "alter table ai._vectorizer_q_failed_1 drop column failure_step",
        "update ai.vectorizer set config = config - 'embedding' where id = 1",
        "update ai.vectorizer set queue_table = 'nowhere', queue_failed_table = 'nowhere' where id = 1",
    ] {
        on_both_catalogs(async |test| -> TestResult {
            tables(&test).await?;
            test.execute(damage).await?;
            let output = run(&test, &["failed", "list"]).await;
            let (said, complaint) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
            assert!(
                said.starts_with("plain  id=7  embedding failed") && said.lines().count() == 1,
                "{damage}: {said}"
            );
            assert_eq!(output.status.code(), Some(1), "{damage}: {complaint}");
            assert!(
                complaint.starts_with("odd: ") && complaint.contains("odd cannot be read"),
                "{damage}: {complaint}"
            );
            let output = run(&test, &["failed", "retry"]).await;
            assert!(
                printed(&output).contains("plain: 1 rows queued again"),
                "{damage}: {output:?}"
            );
            // without the step rows can be queued all the same
            let code = i32::from(!damage.contains("failure_step"));
            assert_eq!(output.status.code(), Some(code), "{damage}");
            Ok(())
        })
        .await;
    }
}

/// A key is what stands there: nothing in it is decoded or parted.
#[tokio::test]
async fn a_key_on_the_command_line_is_taken_as_it_is() {
    on_both_catalogs(async |test| -> TestResult {
        test.execute(
            r#"create table files (path text primary key, body text);
             select ai.create_vectorizer('files', name => 'files', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('m', 3));
             create table parts (path text, n int, body text, primary key (path, n));
             select ai.create_vectorizer('parts', name => 'parts', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('m', 3));
             insert into ai._vectorizer_q_failed_1 (path, failure_step)
                select path, 'embedding' from unnest(array['a/b', 'a%2Fb', 'a%252Fb', '-v', '"a/b"', ' ', '']) path;
             insert into ai._vectorizer_q_failed_2 (path, n, failure_step)
                select path, n, 'embedding' from unnest(array['a/b', 'a%2Fb', 'a,b=c d', '{"path": "x", "n": 1}']) path,
                    generate_series(1, 2) n"#,
        )
        .await?;
        let queued = async |id: i32, column: &str| {
            let sql =
                format!("with taken as (delete from ai._vectorizer_q_{id} returning *) select {column} from taken");
            test.values::<String>(&sql).await
        };
        for key in ["a%2Fb", "a/b", "a%252Fb", "-v", "\"a/b\"", " ", ""] {
            let output = run(&test, &["retry", "files", &format!("--key={key}")]).await;
            assert!(output.status.success(), "{key}: {output:?}");
            assert_eq!(queued(1, "path").await?, [key]);
        }
        for path in ["a%2Fb", "a/b", "a,b=c d", r#"{"path": "x", "n": 1}"#] {
            // whether a number is one or a text
            for n in [serde_json::json!(2), serde_json::json!("1")] {
                let key = serde_json::json!({"path": path, "n": n}).to_string();
                let output = run(&test, &["retry", "parts", "--key", &key]).await;
                assert!(output.status.success(), "{key}: {output:?}");
                let n = n.as_str().map_or_else(|| n.to_string(), str::to_owned);
                assert_eq!(queued(2, "concat(path, '|', n)").await?, [format!("{path}|{n}")]);
            }
        }
        for key in [
            "a%2Fb",
            r#"["a/b", 1]"#,
            r#"{"path": "a/b"}"#,
            r#"{"path": "a/b", "n": 1, "m": 2}"#,
        ] {
            let output = run(&test, &["retry", "parts", "--key", key]).await;
            assert!(
                !output.status.success() && printed(&output).contains("path, n"),
                "{key}: {output:?}"
            );
        }
        Ok(())
    })
    .await;
}

/// The role may use the catalog, and nothing was granted to it.
#[tokio::test]
async fn a_role_that_sees_no_vectorizer_is_told() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        test.execute(
            "create table posts (id int primary key, body text);
             select ai.create_vectorizer('posts', name => 'posts', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('m', 3))",
        )
        .await?;
        let role = test.role("newcomer").await?;
        test.execute(&format!("select ai.grant_vectorizer_usage('{role}')"))
            .await?;
        let mut theirs = test.clone();
        theirs.url = format!("{}?options[role]={role}", test.url);
        for arguments in [&["status"][..], &["worker", "--once"]] {
            let output = run(&theirs, arguments).await;
            let said = printed(&output);
            assert!(output.status.success(), "{said}");
            assert!(
                said.contains("sees") && said.contains("no vectorizer") && said.contains("grant_to"),
                "{arguments:?}: {said}"
            );
        }
        // none for anybody is another thing
        test.execute("select ai.drop_vectorizer('posts', drop_all => true)")
            .await?;
        let said = printed(&run(&test, &["status"]).await);
        assert!(!said.contains("grant_to") && said.contains("create one"), "{said}");
        test.drop_role(&role).await?;
        Ok(())
    })
    .await;
}

/// A server repeats the name of the user, and an encoded colon is part of it. So is whatever else was mistyped.
#[tokio::test]
async fn no_password_that_a_server_repeats_is_printed() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let role = test.role("known").await?;
        test.execute(&format!("alter role {role} login password 'other'"))
            .await?;
        let (_, host) = test.url.rsplit_once('@').unwrap_or_default();
        let (host, database) = host.split_once('/').unwrap_or((host, ""));
        for address in [
            format!("postgres://u%3As3cret@{host}/{database}"),
            format!("postgres://u%3as3cret:more@{host}/{database}"),
            format!("postgres://:s3cret@{host}/{database}"),
            format!("postgres://u:p@s3cret@{host}/{database}"),
            format!("postgres://{role}:1@{host}/s3cret&password=s3cret"),
            format!(
                "postgres://{role}:1@{host}/{database}?options[search_path]=x&options[s3cret]=s3cret&password=s3cret"
            ),
            format!("postgres://{role}:1@{host}/{database}?application_name=x&user=u%3As3cret&password=s3cret"),
            format!("postgres://u:s3cret@{host},{host}/{database}"),
            format!("postgres://u:one@nowhere.invalid,u:s3cret@{host}/{database}"),
            format!("host={host} user=u password='s3cret s3cret'"),
            "postgres:///x?host=/nowhere&user=u&password=s3cret".to_owned(),
            "postgres://u:s3cret@%2Fnowhere/x".to_owned(),
        ] {
            let runs = [
                vec!["status", "-d", &address],
                vec!["worker", "--once", "--log-level", "trace", "-d", &address],
                vec!["worker", "--once", "--json", "--exit-on-error", "-d", &address],
                vec!["install", "--print-sql", "-d", &address],
                vec!["pause", "posts", "--print-sql", "-d", &address],
            ];
            for arguments in runs {
                let mut command = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"));
                let output = command.args(&arguments).env("RUST_LOG", "trace").output().await?;
                let said = printed(&output);
                assert!(!said.contains("s3cret"), "{arguments:?}: {said}");
            }
            let attached = format!("--poll-interval={address}");
            let output = run(&test, &["worker", &attached]).await;
            assert!(!printed(&output).contains("s3cret"), "{output:?}");
        }
        test.db.execute_unprepared(&format!("drop role {role}")).await?;
        Ok(())
    })
    .await;
}
