//! Schemas that Citus distributes, a tenant each, with a stand-in for Citus.
//!
//! On a cluster a table is a shell on every node, and a shard on one. The triggers run on the shard.

use std::fs;
use std::path::Path;

use pgai_sea_tests::{Catalog, Snapshot, TestDatabase, TestResult, on_catalog};
use sea_orm::DbErr;

/// A tenant's table, and what Citus would have in its catalogs.
const TENANT: &str = "
create table pg_dist_partition (logicalrelid regclass primary key, partmethod \"char\");
create table pg_dist_schema (schemaid oid primary key, colocationid int);
create table distributed (relation text, beside text);
create function pg_catalog.create_distributed_table
    (table_name regclass, distribution_column text, distribution_type text default 'hash'
    , colocate_with text default 'default', shard_count int default null)
returns void language plpgsql as $$
begin
    insert into public.distributed values (table_name, colocate_with);
    insert into public.pg_dist_partition values (table_name, 'n');
end $$;
create schema tenant;
create table tenant.notes (views int, id int primary key, content text);
insert into tenant.notes values (0, 1, 'there already');
insert into pg_dist_schema values ('tenant'::regnamespace, 1);
insert into pg_dist_partition values ('tenant.notes', 'n')";

async fn create(test: &TestDatabase, source: &str, more: &str) -> Result<(), DbErr> {
    test.execute(&format!(
        "set citus.enable_unsafe_triggers = on;
         select ai.create_vectorizer('{source}', name => 'notes', loading => ai.loading_column('content'),
             embedding => ai.embedding_openai('model', 3){more})"
    ))
    .await
}

/// The keys in the queue, which is empty afterwards.
async fn take(test: &TestDatabase) -> Result<Vec<i32>, DbErr> {
    test.values("with taken as (delete from tenant._vectorizer_q_1 returning id) select id from taken order by id")
        .await
}

#[tokio::test]
async fn everything_is_in_the_schema_of_the_tenant() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        test.execute(TENANT).await?;
        create(&test, "tenant.notes", "").await?;
        let distributed: Vec<String> = test
            .values("select relation || ' beside ' || beside from distributed order by 1")
            .await?;
        assert_eq!(
            distributed,
            [
                "tenant._vectorizer_q_1 beside tenant.notes",
                "tenant._vectorizer_q_failed_1 beside tenant.notes",
                "tenant.notes_embedding_store beside tenant.notes",
            ]
        );
        let outside: i64 = test
            .value(
                "select (select count(*) from pg_class where relname ~ '^_vectorizer_(q|src)'
                        and relnamespace <> 'tenant'::regnamespace)
                    + (select count(*) from pg_proc where proname ~ '^_vectorizer_src_'
                        and pronamespace <> 'tenant'::regnamespace)",
            )
            .await?;
        assert_eq!(outside, 0);
        assert_eq!(take(&test).await?, [1]);
        Ok(())
    })
    .await;
}

/// Citus has no transition tables beside others, and gives the shards row triggers alone.
#[tokio::test]
async fn the_triggers_see_rows_one_by_one_and_name_their_columns() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        test.execute(TENANT).await?;
        create(&test, "tenant.notes", "").await?;
        let by_row: Vec<String> = test
            .values(
                "select tgname::text from pg_trigger where tgrelid = 'tenant.notes'::regclass and (tgtype & 1) = 1
                    and tgnewtable is null and tgoldtable is null order by 1",
            )
            .await?;
        let expected = ["delete", "insert", "update"].map(|event| format!("_vectorizer_src_trg_1_{event}"));
        assert_eq!(by_row, expected);
        let body: String = test
            .value("select prosrc from pg_proc where proname = '_vectorizer_src_trg_1'")
            .await?;
        for forbidden in [
            "new_rows",
            "old_rows",
            "_vectorizer_src_col",
            "new.*",
            "old.*",
            "pg_notify",
            "truncate table",
        ] {
            assert!(!body.contains(forbidden), "{forbidden} is in\n{body}");
        }
        Ok(())
    })
    .await;
}

/// A shard has a row type of its own, and the columns of the table.
#[tokio::test]
async fn the_trigger_function_works_on_a_shard() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        test.execute(TENANT).await?;
        create(&test, "tenant.notes", "").await?;
        take(&test).await?;
        test.execute(
            "create table tenant.notes_102008 (like tenant.notes including all);
             do $$
             declare
                 definition text;
             begin
                 for definition in select pg_get_triggerdef(oid) from pg_trigger
                     where tgrelid = 'tenant.notes'::regclass loop
                     execute replace(definition, ' ON tenant.notes ', ' ON tenant.notes_102008 ');
                 end loop;
             end $$;
             insert into tenant.notes_102008 select 0, g, 'text' from generate_series(1, 3) g;
             insert into tenant.notes_embedding_store (id, chunk_seq, chunk, embedding)
                 select id, 0, content, '[1,2,3]' from tenant.notes_102008",
        )
        .await?;
        assert_eq!(take(&test).await?, [1, 2, 3]);
        test.execute("update tenant.notes_102008 set views = 7").await?;
        assert_eq!(take(&test).await?, [0; 0]);
        test.execute("update tenant.notes_102008 set content = 'other' where id = 1")
            .await?;
        assert_eq!(take(&test).await?, [1]);
        test.execute(
            "update tenant.notes_102008 set id = 4 where id = 3; delete from tenant.notes_102008 where id = 2",
        )
        .await?;
        assert_eq!(take(&test).await?, [4]);
        let embedded = "select id from tenant.notes_embedding_store order by id";
        assert_eq!(test.values::<i32>(embedded).await?, [1]);
        test.execute("begin isolation level repeatable read; delete from tenant.notes_102008 where id = 1; commit")
            .await?;
        assert_eq!(
            take(&test).await?,
            [1],
            "what the snapshot does not see is left to a worker"
        );
        test.execute(
            "insert into tenant.notes_102008 values (0, 5, 'text');
             insert into tenant.notes_embedding_store (id, chunk_seq, chunk, embedding)
                 values (5, 0, 'text', '[1,2,3]');
             truncate tenant.notes_102008",
        )
        .await?;
        assert_eq!(take(&test).await?, [0; 0]);
        assert_eq!(test.values::<i32>(embedded).await?, [0; 0]);
        Ok(())
    })
    .await;
}

/// A refresh makes the view anew: Citus writes one whose columns were renamed with the names of before.
#[tokio::test]
async fn a_refresh_follows_names() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        test.execute(TENANT).await?;
        create(&test, "tenant.notes", "").await?;
        test.execute(
            "begin; alter table tenant.notes rename id to number; select ai.refresh_vectorizer('notes'); commit;
             insert into tenant.notes values (0, 2, 'text');
             update tenant.notes set number = 3 where number = 2",
        )
        .await?;
        let queued = "select number from tenant._vectorizer_q_1 order by number";
        assert_eq!(test.values::<i32>(queued).await?, [1, 1, 2, 3]);
        let view: String = test
            .value("select pg_get_viewdef('tenant._vectorizer_src_1'::regclass)")
            .await?;
        assert!(!view.contains(" AS "), "{view}");
        test.execute(
            "select ai.drop_vectorizer('notes', drop_all => true); insert into tenant.notes values (0, 9, '')",
        )
        .await?;
        Ok(())
    })
    .await;
}

/// On a cluster, triggers of truncate are on the shards only after a move.
#[tokio::test]
async fn a_drop_takes_triggers_of_shards_along() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        test.execute(TENANT).await?;
        create(&test, "tenant.notes", "").await?;
        test.execute(
            "create table tenant.notes_102008 (like tenant.notes including all);
             create trigger shard after truncate on tenant.notes_102008 for each statement
                 execute function tenant._vectorizer_src_trg_1();
             select ai.drop_vectorizer('notes', drop_all => true);
             truncate tenant.notes_102008",
        )
        .await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_a_tenant_cannot_have_is_refused_before_anything_is_made() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        test.execute(TENANT).await?;
        test.execute(
            "create table tenant.local (id int primary key, content text);
             create table tenant.hidden (id int primary key, content text);
             alter table tenant.hidden enable row level security;
             create table tenant.parts (id int primary key, content text) partition by hash (id);
             insert into pg_dist_partition values ('tenant.hidden', 'n'), ('tenant.parts', 'n')",
        )
        .await?;
        let before = Snapshot::of(&test.db).await?;
        for (source, more, reason) in [
            ("local", "", "is a table of the coordinator alone"),
            ("hidden", "", "has row-level security"),
            ("parts", "", "and partitioned"),
            ("notes", ", queue_schema => 'ai'", "have to be in it"),
            (
                "notes",
                ", destination => ai.destination_table(target_schema => 'public')",
                "have to be in it",
            ),
            (
                "notes",
                ", destination => ai.destination_table(view_schema => 'public')",
                "have to be in it",
            ),
            (
                "notes",
                ", destination => ai.destination_column('vector'), chunking => ai.chunking_none()",
                "a worker cannot write into a column",
            ),
            (
                "notes",
                ", destination => ai.destination_partitioned(4)",
                "they cannot be partitioned",
            ),
        ] {
            let said = create(&test, &format!("tenant.{source}"), more)
                .await
                .unwrap_err()
                .to_string();
            assert!(said.contains("distributed by Citus") && said.contains(reason), "{said}");
        }
        let said = test
            .execute(
                "set citus.enable_unsafe_triggers = off;
                 select ai.create_vectorizer('tenant.notes', loading => ai.loading_column('content'),
                     embedding => ai.embedding_openai('model', 3))",
            )
            .await
            .unwrap_err()
            .to_string();
        assert!(said.contains("unless citus.enable_unsafe_triggers is on"), "{said}");
        let now = Snapshot::of(&test.db).await?;
        assert_eq!(now.added_since(&before).to_string(), "");
        Ok(())
    })
    .await;
}

/// Its triggers lead to a queue that the shards cannot reach.
#[tokio::test]
async fn a_schema_that_was_distributed_later_is_told_what_to_do() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        test.execute(
            "create schema tenant; create table tenant.notes (id int primary key, content text);
             select ai.create_vectorizer('tenant.notes', name => 'notes', loading => ai.loading_column('content'),
                 embedding => ai.embedding_openai('model', 3));
             create table pg_dist_schema (schemaid oid primary key, colocationid int);
             insert into pg_dist_schema values ('tenant'::regnamespace, 1)",
        )
        .await?;
        let said = test
            .execute("select ai.refresh_vectorizer('notes')")
            .await
            .unwrap_err()
            .to_string();
        assert!(
            said.contains("was distributed by Citus when vectorizer notes was there"),
            "{said}"
        );
        test.execute("select ai.drop_vectorizer('notes', drop_all => true)")
            .await?;
        Ok(())
    })
    .await;
}

/// The statements of the `.sql` files that are made with the names of a vectorizer's tables.
fn made_with_names(folder: &Path) -> Vec<String> {
    let mut statements = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            statements.extend(made_with_names(&path));
            continue;
        }
        // a text goes on in the next line
        let text = fs::read_to_string(&path).unwrap().replace("'\n            '", "");
        let lines = text
            .lines()
            .filter(|line| line.contains("from %") || line.contains("insert into %"));
        statements.extend(lines.map(|line| format!("{}: {}", path.display(), line.trim())));
    }
    assert!(!statements.is_empty());
    statements
}

/// Citus reads no part of a statement that has no column, and computes no default where the rows are.
#[test]
fn the_functions_ask_the_tables_only_what_citus_can_plan() {
    let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pgai-sea/src/catalog/sql/functions");
    for statement in made_with_names(&functions) {
        // Citus's own catalogs, and the policies that a tenant's store does not have
        let is_local = ["%s d where", "create policy"]
            .iter()
            .any(|part| statement.contains(part));
        assert!(is_local || !statement.contains("select from %"), "{statement}");
        let is_a_query = statement.contains("insert into %") && statement.contains(" select ");
        // transition tables are read where they are
        if is_a_query && !statement.contains("_rows ") {
            assert!(statement.contains("queued_at"), "{statement}");
        }
    }
}
