//! Waiting for a row: its key is compared as the column's type compares it.

use std::time::Duration;

use pgai_sea::catalog::{WaitError, wait_until_embedded};
use pgai_sea_tests::{TestDatabase, on_both_catalogs};

use super::vectorize;

/// A type like citext, to which letters' case makes no difference, in a schema that is not on the search path.
const CI: &str = "
create schema ext;
create type ext.ci;
create function ext.ci_in(cstring) returns ext.ci language internal immutable strict as 'textin';
create function ext.ci_out(ext.ci) returns cstring language internal immutable strict as 'textout';
create type ext.ci (input = ext.ci_in, output = ext.ci_out, like = pg_catalog.text);
create cast (ext.ci as text) without function as implicit;
create cast (text as ext.ci) without function as assignment;
create function ext.cmp(ext.ci, ext.ci) returns int language sql immutable strict as
    'select pg_catalog.bttextcmp(lower($1::text), lower($2::text))';
create function ext.lt(ext.ci, ext.ci) returns bool language sql immutable strict as 'select ext.cmp($1, $2) < 0';
create function ext.le(ext.ci, ext.ci) returns bool language sql immutable strict as 'select ext.cmp($1, $2) <= 0';
create function ext.eq(ext.ci, ext.ci) returns bool language sql immutable strict as 'select ext.cmp($1, $2) = 0';
create function ext.ge(ext.ci, ext.ci) returns bool language sql immutable strict as 'select ext.cmp($1, $2) >= 0';
create function ext.gt(ext.ci, ext.ci) returns bool language sql immutable strict as 'select ext.cmp($1, $2) > 0';
create operator ext.< (leftarg = ext.ci, rightarg = ext.ci, function = ext.lt);
create operator ext.<= (leftarg = ext.ci, rightarg = ext.ci, function = ext.le);
create operator ext.= (leftarg = ext.ci, rightarg = ext.ci, function = ext.eq);
create operator ext.>= (leftarg = ext.ci, rightarg = ext.ci, function = ext.ge);
create operator ext.> (leftarg = ext.ci, rightarg = ext.ci, function = ext.gt);
create operator class ext.ci_ops default for type ext.ci using btree as
    operator 1 ext.<, operator 2 ext.<=, operator 3 ext.=, operator 4 ext.>=, operator 5 ext.>, function 1 \
    ext.cmp(ext.ci, ext.ci);
create domain ext.email as ext.ci";

async fn wait(test: &TestDatabase, vectorizer: i32, key: &str) -> Result<(), WaitError> {
    wait_until_embedded(&test.db, vectorizer, key, Duration::ZERO).await
}

#[tokio::test]
async fn a_key_is_compared_as_its_columns_type() {
    on_both_catalogs(async |test| {
        test.execute(CI).await?;
        test.execute(
            "create schema app;
             create type app.mood as enum ('good', 'bad');
             create domain app.code as char(4)",
        )
        .await?;
        for (n, (sql_type, stored, asked, other)) in [
            ("char(5)", "ab", "ab", "abcdefg"),
            ("char(5)", "ab", "ab   ", "abc"),
            ("app.code", "ab", "ab  ", "a"),
            ("app.mood", "good", "good", "bad"),
            ("ext.ci", "Bob", "bOB", "Bo"),
            ("ext.email", "Bob", "bOB", "Bo"),
            // what is too long is not the beginning of it
            ("varchar(3)", "abc", "abc", "abcd"),
            (
                "uuid",
                "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
                "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
                "00000000-0000-0000-0000-000000000000",
            ),
        ]
        .into_iter()
        .enumerate()
        {
            let table = format!("table_{n}");
            test.execute(&format!(
                "create table {table} (id {sql_type} primary key, content text)"
            ))
            .await?;
            let id = vectorize(&test, &table, "").await?;
            test.execute(&format!("insert into {table} values ('{stored}', 'text')"))
                .await?;
            let queued = wait(&test, id, asked).await.unwrap_err();
            assert!(matches!(queued, WaitError::TimedOut { .. }), "{sql_type}: {queued}");
            assert!(wait(&test, id, other).await.is_ok(), "{sql_type}: {other}");

            test.execute(&format!(
                "delete from ai._vectorizer_q_{id};
                 insert into ai._vectorizer_q_failed_{id} (id, failure_step) values ('{stored}', 'embedding')"
            ))
            .await?;
            let failed = wait(&test, id, asked).await.unwrap_err();
            assert!(matches!(failed, WaitError::DeadLetter { .. }), "{sql_type}: {failed}");
            test.execute(&format!("delete from ai._vectorizer_q_failed_{id}"))
                .await?;
            wait(&test, id, asked).await?;
        }
        let error = wait(&test, 4, "ugly").await.unwrap_err().to_string();
        assert!(
            error.contains("vectorizer \"public_table_3_embedding_store\": its queue cannot be read: ")
                && error.contains("invalid input value for enum app.mood"),
            "{error}"
        );
        Ok(())
    })
    .await;
}
