//! Vectorizers and rights that are taken away while they are worked on.

use std::time::Duration;

use pgai_sea::worker::Worker;
use pgai_sea_tests::providers::{Fault, Provider};
use pgai_sea_tests::{Catalog, TestDatabase, on_both_catalogs};

use super::support::{CLAIM, Gate, LOOK, assert_in_sync, posts, queued, run, soon, start, statements, worker};

async fn insert(test: &TestDatabase, table: &str) -> Result<(), sea_orm::DbErr> {
    test.execute(&format!(
        "insert into {table} (id, body) select i, 'text ' || i from generate_series(1, 10) i"
    ))
    .await
}

/// The other vectorizer, which is not touched.
async fn others(test: &TestDatabase) -> Result<(), sea_orm::DbErr> {
    test.execute(
        "create table others (id int primary key, body text);
         select ai.create_vectorizer('others', name => 'others', loading => ai.loading_column('body'),
            embedding => ai.embedding_ollama('gate', 8))",
    )
    .await
}

const OTHERS: &str = "select count(distinct id) from others_embedding_store";

#[tokio::test]
async fn a_vectorizer_that_is_dropped_is_no_error() {
    for drop_all in [false, true] {
        on_both_catalogs(async |test| {
            posts(&test).await?;
            others(&test).await?;
            insert(&test, "posts").await?;
            let gate = Gate::new();
            gate.hold();
            let running = start(worker(&test, &gate));
            gate.wait_for(1).await;
            test.execute(&format!("select ai.drop_vectorizer('tested', drop_all => {drop_all})"))
                .await?;
            gate.release();
            // it goes on with what there is
            insert(&test, "others").await?;
            soon(async || test.value::<i64>(OTHERS).await.unwrap() == 10).await;
            let calls = gate.calls().len();
            statements(&test, CLAIM, 5).await;
            assert_eq!(gate.calls().len(), calls, "it asks for what nobody wants");
            let report = running.stop().await;
            assert_eq!(report.errors().count(), 0, "{report:?}");
            assert_eq!(report.rows(), 10, "{report:?}");
            Ok(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_vectorizer_that_is_dropped_while_it_waits_is_no_error() {
    on_both_catalogs(async |test| {
        let provider = Provider::start();
        provider.install("m", 8);
        provider.always(Fault::Dimensions(5));
        test.execute(&format!(
            "create table texts (id int primary key, body text);
             insert into texts values (1, 'text');
             select ai.create_vectorizer('texts', name => 'tested', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('m', 8, base_url => '{}'))",
            provider.ollama_url()
        ))
        .await?;
        let running = start(Worker::new(test.db.clone()));
        // it will look at everything anew, in a second at most
        let waits = "select exists (select from ai.vectorizer_errors where details::text like '%5 dimensions%')";
        soon(async || test.value(waits).await.unwrap()).await;
        test.execute("select ai.drop_vectorizer('tested', drop_all => true); drop table texts")
            .await?;
        statements(&test, LOOK, 1).await;
        let report = running.stop().await;
        let errors: Vec<_> = report.errors().collect();
        assert!(
            errors.iter().all(|(_, error)| error.contains("5 dimensions")),
            "{errors:?}"
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_vectorizer_that_is_disabled_rests_after_the_batch_in_hand() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        insert(&test, "posts").await?;
        let gate = Gate::new();
        gate.hold();
        let running = start(worker(&test, &gate));
        gate.wait_for(1).await;
        test.execute("update ai.vectorizer set disabled = true").await?;
        // until the worker has noticed
        statements(&test, LOOK, 2).await;
        gate.release();
        soon(async || queued(&test).await == 0).await;
        test.execute("update posts set body = 'new'").await?;
        statements(&test, LOOK, 1).await;
        assert_eq!(queued(&test).await, 10);
        test.execute("update ai.vectorizer set disabled = false").await?;
        soon(async || queued(&test).await == 0).await;
        let report = running.stop().await;
        assert_eq!(report.errors().count(), 0, "{report:?}");
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

/// What the worker says before it claims anything.
fn needs(role: &str, right: &str, object: &str) -> String {
    format!("role {role} lacks privileges that a worker needs: run `grant {right} on {object} to {role}` as the owner")
}

#[tokio::test]
async fn a_right_that_is_taken_away_is_said_once_and_waited_for() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        others(&test).await?;
        let role = test.role("worker").await?;
        test.execute(&format!(
            "grant usage on schema ai, public to {role};
             grant all on all tables in schema ai, public to {role};
             grant execute on all functions in schema ai to {role}"
        ))
        .await?;
        let db = test.connect_as(&role).await?;
        let gate = Gate::new();
        let limited = || {
            Worker::new(db.clone())
                .embedder("ollama", "gate", gate.clone())
                .poll_interval(Duration::from_millis(50))
        };
        insert(&test, "posts").await?;
        assert_eq!(limited().run_once().await?.rows(), 10);

        // what the worker reads: our catalog has a view for it
        let id: i32 = test.value("select id from ai.vectorizer where name = 'tested'").await?;
        let (read, denied) = match test.catalog {
            Catalog::Ours => (
                format!("ai._vectorizer_src_{id}"),
                format!("permission denied for view _vectorizer_src_{id}"),
            ),
            _ => (
                "public.posts".to_owned(),
                "permission denied for table posts".to_owned(),
            ),
        };
        let needed = needs(&role, "select", &read);
        let running = start(limited());
        test.execute(&format!("revoke select on {read} from {role}")).await?;
        test.execute("update posts set body = 'new ' || id").await?;
        insert(&test, "others").await?;
        soon(async || test.value::<i64>(OTHERS).await.unwrap() == 10).await;
        let recorded = "select details->>'error_reason' from ai.vectorizer_errors where name = 'tested'";
        soon(async || test.values::<String>(recorded).await.unwrap().contains(&needed)).await;
        statements(&test, "_privilege", 3).await;
        let mut reasons: Vec<String> = test.values(recorded).await?;
        // a claim that was in hand is refused by the database, what comes after it is looked for beforehand; each is
        // said once
        reasons.sort();
        assert!(reasons == [&*needed] || reasons == [&*denied, &*needed], "{reasons:?}");
        assert_eq!(queued(&test).await, 10);
        // nothing has to be started again
        test.execute(&format!("grant select on {read} to {role}")).await?;
        soon(async || queued(&test).await == 0).await;
        let report = running.stop().await;
        let errors: Vec<_> = report.errors().collect();
        assert!(errors.contains(&("tested", &needed)), "{errors:?}");
        for (name, error) in errors {
            assert!(
                name == "tested" && (*error == *needed || *error == *denied),
                "{name}: {error}"
            );
        }

        // a single run says so and leaves everything as it is
        test.execute(&format!(
            "revoke insert on posts_embedding_store from {role}; update posts set body = 'newer'"
        ))
        .await?;
        let report = limited().run_once().await?;
        let needed = needs(&role, "insert", "public.posts_embedding_store");
        let errors: Vec<_> = report.errors().collect();
        assert_eq!(errors, [("tested", &*needed)]);
        assert_eq!(queued(&test).await, 10);
        db.close().await?;
        run(&test, &gate).await;
        assert_in_sync(&test).await;
        test.drop_role(&role).await?;
        Ok(())
    })
    .await;
}
