//! What the statements on a vectorizer's tables must not have, because Citus cannot plan it where these tables are in
//! the schema of a tenant. PostgreSQL itself takes all of it.

use super::backfill;
use super::maintenance::orphans::Orphans;
use super::queue::Queue;
use super::queue::dead_letters::DeadLetters;
use super::queue::key_sql::{KeySql, TypedKeyColumn};
use super::write::{Source, Store};

fn key_sql() -> KeySql {
    let key = |name: &str, sql_type: &str, has_one_text| TypedKeyColumn {
        name: name.to_owned(),
        sql_type: sql_type.to_owned(),
        equals: "=".to_owned(),
        has_one_text,
    };
    KeySql {
        id: 7,
        source: "tenant._vectorizer_src_7".to_owned(),
        queue: "tenant._vectorizer_q_7".to_owned(),
        failed: Some("tenant._vectorizer_q_failed_7".to_owned()),
        keys: vec![key("id", "int4", true), key("at", "timestamptz", false)],
        is_bytes: false,
    }
}

/// The statements of the parts that have them, as `Debug` shows them, in lower case.
fn statements() -> Vec<String> {
    let key_sql = key_sql();
    let store = "tenant.notes_embedding_store";
    let mut statements = vec![
        format!("{:?}", Queue::new(&key_sql)),
        format!("{:?}", DeadLetters::new(&key_sql)),
        format!("{:?}", Orphans::new("notes", &key_sql, Some(store))),
        format!("{:?}", Source::new(&key_sql, ("body", "text"), &["title"], false)),
        format!("{:?}", Store::new(&key_sql, store, true, Some("public.vector"), None)),
    ];
    for only_missing in [false, true] {
        let kept = serde_json::json!({"since": "2026-01-01", "only_missing": only_missing, "position": ["1", "2"]});
        let missing = backfill::missing(&key_sql, &backfill::Embeddings::Table(store.to_owned()));
        let kept = serde_json::from_value(kept).unwrap();
        statements.push(backfill::next_rows(&key_sql, &kept, "tenant.notes", &missing).0);
    }
    let statements: Vec<String> = statements.iter().map(|sql| sql.to_lowercase()).collect();
    assert!(
        statements
            .iter()
            .map(|sql| sql.matches("update tenant").count())
            .sum::<usize>()
            >= 4
    );
    statements
}

/// An intermediate result of no column cannot be read again.
#[test]
fn no_select_has_an_empty_list() {
    for sql in statements() {
        assert!(!sql.contains("select from") && !sql.contains("(select)"), "{sql}");
    }
}

/// What an update sets is computed before, in a part of the statement that is evaluated once.
#[test]
fn no_update_sets_what_is_volatile_or_subscripted() {
    for sql in statements() {
        for update in sql.split("update tenant").skip(1) {
            let (_, set) = update.split_once(" set ").unwrap();
            let end = [" from ", " where "].iter().filter_map(|end| set.find(end)).min();
            let set = &set[..end.unwrap_or(set.len())];
            assert!(
                !set.contains("clock_timestamp") && !set.contains('['),
                "{set}\nis set by\n{sql}"
            );
        }
    }
}

/// A default that is not constant is lost on the way to the shard.
#[test]
fn what_is_queued_from_a_query_says_when() {
    for sql in statements() {
        for insert in sql.split("insert into tenant._vectorizer_q_7 (").skip(1) {
            let (columns, rest) = insert.split_once(')').unwrap();
            assert!(columns.contains("queued_at"), "({columns}){rest}");
            let (query, _) = rest.split_once(" from ").unwrap();
            assert!(
                !query.contains("now()") && !query.contains('$'),
                "{query}\nis queued by\n{sql}"
            );
        }
    }
}

/// The conversion of an array is not left to the assignment.
#[test]
fn vectors_are_cast() {
    let inserted = statements().iter().any(|sql| sql.contains("::int]::public.vector"));
    assert!(inserted);
}
