//! Rows of the catalog, and tables, as an owner may leave them.

use pgai_sea::catalog::{self, VectorizerState};
use pgai_sea_tests::{Catalog, TestResult, on_catalog};
use sea_orm::ConnectionTrait as _;

use super::{Owner, work};

/// What a queue hides would never be embedded.
#[tokio::test]
async fn a_worker_refuses_a_queue_that_may_hide_rows() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let owner = Owner::new(&test, "one").await?;
        let Owner { role, id } = &owner;
        let worker = test.role("worker").await?;
        test.execute(&format!(
            "select ai.change_vectorizer('one', grant_to => ai.grant_to('{worker}'));
             alter table ai._vectorizer_q_{id} enable row level security"
        ))
        .await?;
        let db = test.connect_as(&worker).await?;
        let report = work(&db).await?;
        let errors: Vec<String> = report.errors().map(|(_, error)| error.to_string()).collect();
        assert!(
            errors.iter().any(|error| error.contains("disable row level security")),
            "{errors:?}"
        );
        owner
            .runs(
                &test,
                &format!("alter table ai._vectorizer_q_{id} disable row level security"),
            )
            .await?;
        assert_eq!(work(&db).await?.rows(), 2);
        db.close().await?;
        for role in [role, &worker] {
            test.drop_role(role).await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn another_s_vectorizer_is_nobody_s_generation() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let (one, two) = (Owner::new(&test, "one").await?, Owner::new(&test, "two").await?);
        let claim = format!(
            "update ai.vectorizer_generation set replaces = {} where vectorizer_id = {}",
            two.id, one.id
        );
        let db = test.connect_as(&one.role).await?;
        let refused = db.execute_unprepared(&claim).await.unwrap_err().to_string();
        assert!(refused.contains("row-level security"), "{refused}");
        db.close().await?;
        for owner in [one, two] {
            test.drop_role(&owner.role).await?;
        }
        Ok(())
    })
    .await;
}

/// Nor is a table that does not exist yet anybody's but its maker's.
#[tokio::test]
async fn a_store_is_not_claimed_before_it_exists() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let one = Owner::new(&test, "one").await?;
        let two = test.role("two").await?;
        test.execute(&format!(
            "create schema {two} authorization {two}; select ai.grant_vectorizer_usage('{two}')"
        ))
        .await?;
        let claim = format!(
            r#"update ai.vectorizer set config = jsonb_set(config, '{{destination}}', config -> 'destination' ||
               '{{"target_schema": "{two}", "target_table": "blog_embedding_store"}}')"#
        );
        let db = test.connect_as(&one.role).await?;
        let refused = db.execute_unprepared(&claim).await.unwrap_err().to_string();
        assert!(refused.contains("row-level security"), "{refused}");
        db.close().await?;
        for role in [&one.role, &two] {
            test.drop_role(role).await?;
        }
        Ok(())
    })
    .await;
}

/// A crash empties it without a trigger.
#[tokio::test]
async fn what_an_unlogged_table_has_lost_is_found() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let owner = Owner::new(&test, "one").await?;
        test.execute(&format!("alter table {}.blog set unlogged", owner.role))
            .await?;
        assert_eq!(work(&test.db).await?.rows(), 2);
        test.execute(&format!(
            "set session_replication_role = replica; delete from {}.blog; reset session_replication_role",
            owner.role
        ))
        .await?;
        work(&test.db).await?;
        let left = format!("select count(*) from {}.blog_embedding_store", owner.role);
        assert_eq!(test.value::<i64>(&left).await?, 0);
        test.drop_role(&owner.role).await?;
        Ok(())
    })
    .await;
}

/// JSON that PostgreSQL takes and nobody else, and JSON of another shape.
const CONFIGS: [&str; 8] = [
    r#"config || '{"x": 1e400}'"#,
    "config || jsonb_build_object('x', (repeat('[', 300) || repeat(']', 300))::jsonb)",
    "'{}'",
    "'null'",
    "'[]'",
    r#"config || '{"destination": 5}'"#,
    r#"jsonb_set(config, '{destination,dimensions}', '"x"')"#,
    r#"jsonb_set(config, '{embedding,dimensions}', '"x"')"#,
];

#[tokio::test]
async fn a_row_that_cannot_be_read_stops_no_other() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let (one, two) = (Owner::new(&test, "one").await?, Owner::new(&test, "two").await?);
        test.execute("create table kept as select id, config from ai.vectorizer")
            .await?;
        for config in CONFIGS {
            let edit = format!("update ai.vectorizer set config = {config} where id = {}", one.id);
            one.runs(&test, &edit).await?;
            test.execute(&format!("update {}.blog set content = content || '.'", two.role))
                .await?;
            let report = work(&test.db).await?;
            assert!(
                report.errors().all(|(vectorizer, _)| vectorizer == "one"),
                "{config}: {report:?}"
            );
            let statuses = catalog::statuses(&test.db).await?;
            let states: Vec<_> = statuses.iter().map(|status| (status.id, status.state)).collect();
            assert!(
                states.contains(&(two.id, VectorizerState::InSync)),
                "{config}: {states:?}"
            );
            let damage = catalog::verify(&test.db).await?;
            assert!(
                damage.iter().all(|damage| damage.vectorizer.as_deref() != Some("two")),
                "{config}: {damage:?}"
            );
            assert_eq!(
                test.value::<i64>("select count(*) from ai.vectorizer_status").await?,
                2,
                "{config}"
            );
            // what an upgrade does
            let upgraded: Vec<i32> = test
                .values(
                    "select (u.v).id from ai._vectorizers_in_use() u
                     cross join lateral ai._vectorizer_create_triggers(u.v, u.source)
                     cross join lateral ai._vectorizer_identity((u.v).config)",
                )
                .await?;
            assert!(upgraded.contains(&two.id), "{config}: {upgraded:?}");
            test.execute("select ai._vectorizer_identity(config) from ai.vectorizer")
                .await?;
            test.execute("update ai.vectorizer v set config = k.config from kept k where k.id = v.id")
                .await?;
        }
        for owner in [one, two] {
            test.drop_role(&owner.role).await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_table_that_was_given_away_takes_its_vectorizer_along() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let owner = Owner::new(&test, "one").await?;
        let heir = test.role("heir").await?;
        test.execute(&format!(
            "grant usage, create on schema {0}, ai to {heir}; select ai.grant_vectorizer_usage('{heir}');
             alter table {0}.blog owner to {heir}",
            owner.role
        ))
        .await?;
        let damage = catalog::verify(&test.db).await?;
        assert!(
            damage.len() == 1
                && damage[0].message.contains("belongs to")
                && damage[0].repair.contains("refresh_vectorizer"),
            "{damage:?}"
        );
        let db = test.connect_as(&heir).await?;
        let unknown = db.execute_unprepared("select ai.refresh_vectorizer('one')").await;
        assert!(unknown.unwrap_err().to_string().contains("there is no vectorizer one"));
        test.execute("select ai.refresh_vectorizer('one')").await?;
        assert_eq!(catalog::verify(&test.db).await?, []);
        // it is the heir's now: its worker works, and it may drop it
        let report = work(&test.db).await?;
        assert_eq!(report.rows(), 2, "{report:?}");
        db.execute_unprepared("select ai.drop_vectorizer('one', drop_all => true)")
            .await?;
        assert_eq!(test.value::<i64>("select count(*) from ai.vectorizer").await?, 0);
        db.close().await?;
        for role in [&owner.role, &heir] {
            test.drop_role(role).await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn another_key_is_said() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let owner = Owner::new(&test, "one").await?;
        // a rename is another name of the same key
        test.execute(&format!("alter table {}.blog rename id to number", owner.role))
            .await?;
        assert_eq!(catalog::verify(&test.db).await?, []);
        test.execute("select ai.refresh_vectorizer('one')").await?;
        test.execute(&format!(
            "alter table {0}.blog drop constraint blog_pkey, add column uid int generated always as identity;
             alter table {0}.blog add primary key (uid)",
            owner.role
        ))
        .await?;
        let damage = catalog::verify(&test.db).await?;
        assert!(
            damage.len() == 1 && damage[0].message.contains("primary key"),
            "{damage:?}"
        );
        let refused = test.execute("select ai.refresh_vectorizer('one')").await.unwrap_err();
        assert!(refused.to_string().contains("the primary key of"), "{refused}");
        test.drop_role(&owner.role).await?;
        Ok(())
    })
    .await;
}
