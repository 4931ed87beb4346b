//! Names that need quoting, or do not fit.

use pgai_sea_tests::{Catalog, Snapshot, on_catalog};

const NAMES: &[&str] = &[
    "Weird \"Name\"",
    "select",
    "with.a.dot",
    "o'clock",
    "back\\slash",
    "dollar$$body$$",
    "per%cent %I",
    "ümläüte",
    "sixty_three_bytes_sixty_three_bytes_sixty_three_bytes_sixty_3_by",
];

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[tokio::test]
async fn tables_columns_and_schemas_of_any_name() {
    on_catalog(Catalog::Ours, async |test| {
        for name in NAMES {
            let before = Snapshot::of(&test.db).await?;
            let name = &name[..name.floor_char_boundary(63)];
            let quoted = quote(name);
            let literal = name.replace('\'', "''");
            let other = |letter: char| name.chars().skip(1).chain([letter]).collect::<String>();
            let (text, queue) = (other('t'), other('q'));
            let loaded = quote(&text);
            let source = format!("{quoted}.{quoted}");
            test.execute(&format!(
                "create schema {quoted};
                 create table {source} ({quoted} text, id int, other text, primary key (id, {quoted}), {loaded} text);
                 insert into {source} values ('a', 1, 'o', 'c')"
            ))
            .await?;
            let id: i32 = test
                .value(&format!(
                    "select ai.create_vectorizer('{}', loading => ai.loading_column('{}'), embedding => \
                        ai.embedding_openai('m', 3),
                         queue_schema => '{literal}', queue_table => '{}', grant_to => ai.grant_to('pg_monitor'))",
                    source.replace('\'', "''"),
                    text.replace('\'', "''"),
                    queue.replace('\'', "''"),
                ))
                .await
                .map_err(|error| format!("{name}: {error}"))?;
            let store = format!(
                "select format('%I.%I', config #>> '{{destination,target_schema}}', config #>> \
                '{{destination,target_table}}') from ai.vectorizer where id = {id}"
            );
            let store: String = test.value(&store).await?;
            let queue: String = test
                .value(&format!(
                    "select format('%I.%I', queue_schema, queue_table) from ai.vectorizer where id = {id}"
                ))
                .await?;
            test.execute(&format!(
                "insert into {store} (id, {quoted}, chunk_seq, chunk, embedding) values (1, 'a', 0, '', '[1,2,3]');
                 truncate {queue};
                 insert into {source} values ('b', 2, 'o', 'c');
                 update {source} set other = 'p' where id = 2;
                 update {source} set {loaded} = 'd' where id = 2;
                 update {source} set {quoted} = 'z' where id = 1;
                 delete from {source}"
            ))
            .await?;
            let keys: Vec<String> = test
                .values(&format!("select {quoted} from {queue} order by queued_at"))
                .await?;
            assert_eq!(keys, ["b", "b", "z"], "{name}");
            assert_eq!(test.value::<i64>(&format!("select count(*) from {store}")).await?, 0);
            test.execute(&format!(
                "select ai.vectorizer_queue_pending({id}); select * from \
                ai.vectorizer_status"
            ))
            .await?;
            test.execute(&format!(
                "select ai.drop_vectorizer({id}, drop_all => true); drop schema {quoted} cascade"
            ))
            .await?;
            let after = Snapshot::of(&test.db).await?;
            let grants = after.added_since(&before).only(|line| !line.contains("rights"));
            assert!(grants.is_empty(), "{name}: {grants}");
        }
        Ok(())
    })
    .await;
}

/// Suffixes are kept, the table's name is cut. The vectorizer's own name takes what it may have.
#[tokio::test]
async fn long_names_are_cut_before_their_suffix() {
    on_catalog(Catalog::Ours, async |test| {
        let table = "Ö".repeat(31);
        test.execute(&format!("create table \"{table}\" (id int primary key, content text)"))
            .await?;
        super::vectorize(&test, &format!("\"{table}\""), "").await?;
        let destination: String = test
            .value(
                "select format('%s %s %s', config #>> '{destination,target_table}', config #>> \
                '{destination,view_name}', name) from ai.vectorizer",
            )
            .await?;
        let cut = |bytes: usize| "Ö".repeat(bytes / 2);
        let name = format!("public_{}_embedding_store", "_".repeat(23));
        assert_eq!(
            destination,
            format!("{}_embedding_store {}_embedding {name}", cut(47), cut(53))
        );
        Ok(())
    })
    .await;
}
