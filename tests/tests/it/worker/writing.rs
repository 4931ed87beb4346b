//! Rows that the database refuses to write.

use pgai_sea_tests::{TestDatabase, on_both_catalogs};

use super::support::{Gate, posts, queued, run, soon, start, worker};

/// A trigger of the user's that has something against row 13.
async fn refuse_13(test: &TestDatabase, errcode: &str) -> Result<(), sea_orm::DbErr> {
    test.execute(&format!(
        "create function refuse() returns trigger language plpgsql as $$
            begin raise exception 'not this row' using errcode = '{errcode}'; end $$;
         create trigger refuse before insert on posts_embedding_store for each row when (new.id = 13) execute function \
         refuse()"
    ))
    .await
}

async fn dead(test: &TestDatabase) -> Vec<String> {
    let table: String = test
        .value("select format('%I.%I', queue_schema, queue_failed_table) from ai.vectorizer where name = 'tested'")
        .await
        .unwrap();
    test.values(&format!("select id || ' ' || failure_step from {table} order by id"))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_row_that_a_trigger_refuses_holds_up_no_other() {
    for errcode in ["P0001", "54000", "XX000"] {
        on_both_catalogs(async |test| {
            posts(&test).await?;
            refuse_13(&test, errcode).await?;
            test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1, 20) i")
                .await?;
            let gate = Gate::new();
            soon(async || {
                let report = run(&test, &gate).await;
                assert_eq!(report.errors().count(), 0, "{report:?}");
                queued(&test).await == 0
            })
            .await;
            assert_eq!(dead(&test).await, ["13 writing"]);
            let others = "select count(distinct id) from posts_embedding_store";
            assert_eq!(test.value::<i64>(others).await?, 19);
            let asked = gate.texts().iter().filter(|text| *text == "T: text 13").count();
            assert_eq!(
                gate.texts().len() - asked,
                19,
                "the others' vectors were asked for once"
            );
            Ok(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_written_is_charged_though_it_is_alone() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1, 20) i")
            .await?;
        let gate = Gate::new();
        let running = start(worker(&test, &gate));
        soon(async || queued(&test).await == 0).await;
        refuse_13(&test, "23514").await?;
        test.execute("update posts set body = 'new' where id = 13").await?;
        soon(async || queued(&test).await == 0).await;
        assert_eq!(dead(&test).await, ["13 writing"]);
        let report = running.stop().await;
        assert_eq!(report.errors().count(), 0, "{report:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn where_nothing_can_be_written_no_row_is_charged() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute("alter table posts_embedding_store add constraint none check (false)")
            .await?;
        test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1, 5) i")
            .await?;
        let gate = Gate::new();
        let report = run(&test, &gate).await;
        assert_eq!((report.rows(), report.errors().count()), (0, 1), "{report:?}");
        assert_eq!((report.vectorizers[0].counts.deferred, queued(&test).await), (0, 5));
        Ok(())
    })
    .await;
}
