//! What the application is told.

use std::sync::{Arc, Mutex};

use pgai_sea::worker::Event;
use pgai_sea_tests::on_both_catalogs;

use super::support::{Gate, posts, queued, soon, worker};

#[tokio::test]
async fn batches_dead_letters_and_waiting_are_told() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute(
            "insert into posts select i, 'T', case i when 13 then 'poison' else 'text ' || i end from \
            generate_series(1, 30) i",
        )
        .await?;
        let gate = Gate::new();
        gate.be_down_for(1);
        gate.refuse("poison");
        let told = Arc::new(Mutex::new(Vec::new()));
        let hook = Arc::clone(&told);
        let worker = worker(&test, &gate).on_event(move |event: &Event| hook.lock().unwrap().push(event.clone()));
        soon(async || {
            worker.run_once().await.unwrap();
            queued(&test).await == 0
        })
        .await;
        let told = told.lock().unwrap();
        let (mut rows, mut deferred, mut waits, mut letters) = (0, 0, 0, Vec::new());
        for event in told.iter() {
            match event {
                Event::Batch(batch) => {
                    assert_eq!(batch.vectorizer, "tested");
                    rows += batch.counts.rows;
                    deferred += batch.counts.deferred;
                }
                Event::DeadLetter(letter) => letters.push(letter),
                Event::Waiting { vectorizer, reason } => {
                    assert!(vectorizer == "tested" && reason.contains("503"), "{reason}");
                    waits += 1;
                }
                Event::Progress(progress) => assert_eq!(progress.vectorizer, "tested"),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((rows, deferred, waits), (29, 6, 1), "{told:?}");
        let [letter] = letters.as_slice() else {
            panic!("{letters:?}")
        };
        assert_eq!((letter.key["id"].as_str(), letter.step), (Some("13"), "embedding"));
        assert!(letter.reason.contains("not this one"), "{letter:?}");
        Ok(())
    })
    .await;
}
