//! A data directory that is kept.

use real_parts::{Error, Postgres};
use sea_orm::ConnectionTrait;

use crate::process::{Holder, Traces, connect, open_dir, program, send, value};

#[tokio::test]
async fn what_was_written_is_there_at_the_next_start_even_after_sigkill() {
    let dir = open_dir();
    let path = dir.path().join("kept");
    let holder = Holder::start(program().arg(&path));
    let db = connect(&holder.url).await;
    db.execute_unprepared("create table written (n int); insert into written values (42)")
        .await
        .unwrap();
    assert_eq!(value::<String>(&holder.url, "show fsync").await, "on");
    let server = Traces::of(&holder.url).await;
    holder.kill("KILL");

    let again = Postgres::with_data_dir(&path).unwrap();
    server.wait_until_stopped();
    assert_eq!(value::<i32>(again.url(), "select n from written").await, 42);
}

/// A server whose holder is gone may end while the next one is at its start.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_end_of_a_directory_s_last_server_is_not_the_next_one_s() {
    let dir = open_dir();
    let path = dir.path().join("kept");
    let holder = Holder::start(program().arg(&path));
    let last = Traces::of(&holder.url).await;
    let watchdog = last.watchdog();
    assert!(send("STOP", &watchdog), "no watchdog");
    holder.kill("KILL");

    let next = Holder::start(program().arg(&path));
    let server = Traces::of(&next.url).await;
    assert!(send("CONT", &watchdog), "the watchdog is gone");
    last.wait_until_stopped();
    assert!(server.is_running());
    next.kill("KILL");
    server.wait_until_stopped();
}

#[test]
fn a_directory_has_one_server_at_a_time() {
    let dir = open_dir();
    let path = dir.path().join("kept");
    let _first = Postgres::with_data_dir(&path).unwrap();
    let error = Postgres::with_data_dir(&path).unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
}

#[test]
fn a_directory_with_other_things_in_it_is_left_alone() {
    let dir = open_dir();
    std::fs::write(dir.path().join("thesis.tex"), "").unwrap();
    let error = Postgres::with_data_dir(dir.path()).unwrap_err();
    assert!(error.to_string().contains(dir.path().to_str().unwrap()), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}
