//! Rows that row-level security hides from a worker are not gone.

use pgai_sea_tests::{Catalog, TestDatabase, on_both_catalogs, on_catalog};

use super::support::{Gate, assert_in_sync, posts, queued, run, soon, start, statements, worker};

const STORED: &str = "select string_agg(distinct id::text, ' ' order by id::text) from posts_embedding_store";

/// A role that may do everything to `posts` and sees only its first row.
async fn blind(test: &TestDatabase) -> Result<String, sea_orm::DbErr> {
    let role = test.role("blind").await?;
    test.execute(&format!(
        "grant usage on schema ai, public to {role};
         grant all on all tables in schema ai, public to {role};
         grant execute on all functions in schema ai to {role};
         create policy visible on posts using (id = 1)"
    ))
    .await?;
    Ok(role)
}

/// A worker of that role. On this crate's catalog it reads through a view, with the rights of the view's owner.
async fn of_role(test: &TestDatabase, role: &str) -> Result<TestDatabase, sea_orm::DbErr> {
    let mut limited = test.clone();
    limited.db = test.connect_as(role).await?;
    Ok(limited)
}

#[tokio::test]
async fn whoever_does_not_see_all_rows_is_refused_and_told_what_to_do() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute("insert into posts values (1, 'T', 'text'), (2, 'T', 'other'), (3, 'T', 'third')")
            .await?;
        let gate = Gate::new();
        run(&test, &gate).await;
        let role = blind(&test).await?;
        if test.catalog == Catalog::Ours {
            test.execute(&format!("alter view ai._vectorizer_src_1 owner to {role}"))
                .await?;
        }
        test.execute("alter table posts enable row level security; update posts set body = 'new ' || id")
            .await?;
        let limited = of_role(&test, &role).await?;

        let refused = async |advice: &str| {
            let report = run(&limited, &gate).await;
            let errors: Vec<_> = report.errors().collect();
            let [(_, error)] = errors.as_slice() else {
                panic!("{errors:?}")
            };
            let reason = format!("row-level security may hide rows of public.posts from role {role}");
            assert!(error.starts_with(&reason) && error.contains(advice), "{error}");
            assert_eq!(test.value::<String>(STORED).await.unwrap(), "1 2 3");
            assert_eq!(queued(&test).await, 3);
            error.split('`').nth(1).unwrap().to_owned()
        };
        let policy = refused("create policy").await;
        // a policy that bounds the others leaves one way
        test.execute(&format!(
            "create policy bounds on posts as restrictive to {role} using (id < 3); {policy}"
        ))
        .await?;
        let bypass = refused("bypassrls").await;
        assert_eq!(bypass, format!("alter role \"{role}\" bypassrls"));
        test.execute("drop policy bounds on posts").await?;

        // with the policy that was asked for it sees everything
        let report = run(&limited, &gate).await;
        assert_eq!((report.rows(), report.errors().count()), (3, 0), "{report:?}");
        assert_in_sync(&test).await;
        test.execute(&format!(
            "drop policy pgai_sea_worker on posts; {bypass}; update posts set body = 'newer'"
        ))
        .await?;
        let report = run(&limited, &gate).await;
        assert_eq!((report.rows(), report.errors().count()), (3, 0), "{report:?}");

        limited.db.close().await?;
        test.execute("drop policy visible on posts").await?;
        if test.catalog == Catalog::Ours {
            test.execute("alter view ai._vectorizer_src_1 owner to current_user")
                .await?;
        }
        test.drop_role(&role).await?;
        Ok(())
    })
    .await;
}

/// It is switched on while the worker runs, which has looked before.
#[tokio::test]
async fn rows_that_are_hidden_later_keep_their_embeddings() {
    on_catalog(Catalog::Pgai, async |test| {
        posts(&test).await?;
        test.execute("insert into posts values (1, 'T', 'text'), (2, 'T', 'other'), (3, 'T', 'third')")
            .await?;
        let gate = Gate::new();
        run(&test, &gate).await;
        // an embedding without a row, which does go
        test.execute(
            "alter table posts disable trigger user; delete from posts where id = 3; alter table posts enable trigger \
                user;
             insert into ai._vectorizer_q_1 (id) values (3)",
        )
        .await?;
        let role = blind(&test).await?;
        let limited = of_role(&test, &role).await?;
        test.execute("update posts set body = 'new ' || id").await?;
        gate.hold();
        let running = start(worker(&limited, &gate));
        gate.wait_for(2).await;
        test.execute("alter table posts enable row level security").await?;
        gate.release();
        let recorded = "select count(*) from ai.vectorizer_errors where details->>'error_reason' like 'row-level \
            security%'";
        soon(async || test.value::<i64>(recorded).await.unwrap() > 0).await;
        statements(&test, "", 5).await;
        assert_eq!(test.value::<String>(STORED).await?, "1 2 3");

        test.execute("alter table posts disable row level security").await?;
        soon(async || test.value::<String>(STORED).await.unwrap() == "1 2").await;
        let report = running.stop().await;
        assert_eq!(report.vectorizers[0].counts.deferred, 0, "{report:?}");
        assert_in_sync(&test).await;
        limited.db.close().await?;
        test.execute("drop policy visible on posts").await?;
        test.drop_role(&role).await?;
        Ok(())
    })
    .await;
}
