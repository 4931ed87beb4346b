//! `DATABASE_URL` and `PGAI_SEA_MODEL_DIR`.

use real_parts::Postgres;

use crate::process::{Holder, program, refusal, value};

#[test]
fn with_database_url_nothing_is_started() {
    let server = Holder::start(&mut program());
    let user = Holder::start(program().env("DATABASE_URL", &server.url));
    assert_eq!(user.url, server.url);
    user.kill("KILL");
    // and what was not started is not stopped
    let next = Holder::start(program().env("DATABASE_URL", &server.url));
    assert_eq!(next.url, server.url);
    next.kill("TERM");
    server.kill("KILL");
}

#[test]
fn a_server_that_does_not_answer_is_named_without_its_password() {
    let url = "postgres://me:secret@127.0.0.1:1/postgres";
    let said = refusal(program().env("DATABASE_URL", url));
    assert!(said.contains("postgres://me@127.0.0.1:1/postgres"), "{said}");
    assert!(said.contains("check DATABASE_URL"), "{said}");
    assert!(!said.contains("secret"), "{said}");
    let error = Postgres::at(url, "--database-url").unwrap_err().to_string();
    assert!(error.contains("check --database-url"), "{error}");
    assert!(!error.contains("DATABASE_URL"), "{error}");
}

#[tokio::test]
async fn the_version_can_be_chosen() {
    let holder = Holder::start(program().env("PGAI_SEA_POSTGRES", "18"));
    let number = value::<String>(&holder.url, "show server_version_num").await;
    assert!(number.starts_with("18"), "{number}");
    holder.kill("KILL");
    let said = refusal(program().env("PGAI_SEA_POSTGRES", "12"));
    assert!(said.contains("PGAI_SEA_POSTGRES is \"12\""), "{said}");
}

#[test]
fn an_address_that_is_none_is_refused_with_an_example() {
    for url in ["localhost", "mysql://localhost/test"] {
        let said = refusal(program().env("DATABASE_URL", url));
        assert!(said.contains("postgres://user:password@host"), "{said}");
    }
}
