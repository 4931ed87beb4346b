//! What was started is stopped, however the process that started it ends.

use std::panic::catch_unwind;

use real_parts::Postgres;

use crate::process::{Holder, Traces, interruptible_program, open_dir, program};

#[tokio::test]
async fn a_process_killed_with_sigkill_leaves_no_server_and_no_directory() {
    let holder = Holder::start(&mut program());
    let server = Traces::of(&holder.url).await;
    assert!(server.is_running());
    holder.kill("KILL");
    server.wait_until_gone();
}

#[tokio::test]
async fn nor_does_one_interrupted_with_ctrl_c() {
    let holder = Holder::start(&mut interruptible_program());
    let server = Traces::of(&holder.url).await;
    holder.kill("INT");
    server.wait_until_gone();
}

#[tokio::test]
async fn other_children_of_the_process_do_not_keep_the_server_alive() {
    // a child started later lives on, with whatever it inherited
    let dir = open_dir();
    let postgres = Postgres::with_data_dir(dir.path().join("server")).unwrap();
    let server = Traces::of(postgres.url()).await;
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    drop(postgres);
    assert!(!server.is_running());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn a_panic_stops_the_server_on_its_way_up() {
    let dir = open_dir();
    let postgres = Postgres::with_data_dir(dir.path().join("server")).unwrap();
    let server = Traces::of(postgres.url()).await;
    catch_unwind(move || {
        let _held = postgres;
        panic!("a test failed");
    })
    .unwrap_err();
    assert!(!server.is_running());
}

#[tokio::test]
async fn one_server_s_end_is_not_another_s() {
    let first = Holder::start(&mut program());
    let second = Holder::start(&mut program());
    assert_ne!(first.url, second.url);
    let (ended, running) = (Traces::of(&first.url).await, Traces::of(&second.url).await);
    first.kill("KILL");
    ended.wait_until_gone();
    assert!(running.is_running());
    second.kill("KILL");
    running.wait_until_gone();
}
