//! Sources that are called something else than when their vectorizer was created.

use pgai_sea_tests::{Catalog, TestDatabase, on_both_catalogs, on_catalog};

use super::support::{Gate, assert_in_sync, posts, queued, run, vectorizer};

async fn chunks(test: &TestDatabase) -> Result<Vec<String>, sea_orm::DbErr> {
    test.values("select id || ' ' || chunk from posts_embedding_store order by id, chunk_seq")
        .await
}

#[tokio::test]
async fn a_renamed_table_is_followed() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute("insert into posts values (1, 'T', 'one'), (2, 'T', 'two')")
            .await?;
        test.execute(
            "alter table posts rename to articles; create schema other; alter table articles set schema other",
        )
        .await?;
        // another one by that name is not its source
        test.execute("create table posts as select 3 as id, 'T' as title, 'three' as body")
            .await?;
        let gate = Gate::new();
        assert_eq!(run(&test, &gate).await.rows(), 2);
        test.execute("update other.articles set body = 'new' where id = 1; delete from other.articles where id = 2")
            .await?;
        run(&test, &gate).await;
        assert_eq!(chunks(&test).await?, ["1 T: new"]);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn renamed_columns_are_followed() {
    on_catalog(Catalog::Ours, async |test| {
        posts(&test).await?;
        test.execute("insert into posts values (1, 'T', 'one'), (2, 'T', 'two'), (3, 'T', 'three')")
            .await?;
        let gate = Gate::new();
        run(&test, &gate).await;
        test.execute(
            "alter table posts rename id to post; alter table posts rename body to \"the text\"; alter table \
            posts rename title to heading",
        )
        .await?;
        test.execute(
            "update posts set \"the text\" = 'new' where post = 1; update posts set heading = 'H' where post = 2;
             delete from posts where post = 3; insert into posts (post, heading, \"the text\") values (4, 'T', 'four')",
        )
        .await?;
        let report = run(&test, &gate).await;
        assert_eq!(report.rows(), 3, "{report:?}");
        assert_eq!(chunks(&test).await?, ["1 T: new", "2 H: two", "4 T: four"]);
        assert_eq!(queued(&test).await, 0);

        test.execute("select ai.refresh_vectorizer('tested')").await?;
        test.execute("update posts set \"the text\" = 'newer' where post = 1; delete from posts where post = 2")
            .await?;
        run(&test, &gate).await;
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn renamed_columns_of_a_column_destination_are_followed() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(
            "create table notes (id int primary key, body text); insert into notes values (1, 'one'), (2, \
            'two')",
        )
        .await?;
        test.execute(
            "select ai.create_vectorizer('notes', name => 'tested', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('gate', 8), chunking => ai.chunking_none(),
                destination => ai.destination_column('embedding'));
             alter table notes rename id to note; alter table notes rename body to words; alter table notes rename \
             embedding to vector;
             alter table notes rename to jottings",
        )
        .await?;
        let gate = Gate::new();
        assert_eq!(run(&test, &gate).await.rows(), 2);
        test.execute("insert into jottings values (3, 'three')").await?;
        run(&test, &gate).await;
        let embedded: Vec<i32> = test
            .values("select note from jottings where vector is not null order by 1")
            .await?;
        assert_eq!(embedded, [1, 2, 3]);
        Ok(())
    })
    .await;
}

/// pgai's catalog knows columns by name only.
#[tokio::test]
async fn what_cannot_be_followed_is_named() {
    on_catalog(Catalog::Pgai, async |test| {
        test.execute("create table posts (id int primary key, body text); insert into posts values (1, 'one')")
            .await?;
        vectorizer(&test, "posts", "body", "$chunk", "").await?;
        let gate = Gate::new();
        let error = async |sql: &str| {
            test.execute(sql).await.unwrap();
            run(&test, &gate).await.vectorizers[0].errors.join("; ")
        };
        assert_eq!(
            error("alter table posts rename body to words").await,
            "\"public\".\"posts\" has no column `body`, whose text it embeds: if it was renamed, rename it back, or \
                tell the vectorizer with \
             `update ai.vectorizer set config = jsonb_set(config, '{loading,column_name}', '\"<new name>\"') where id \
             = 1`"
        );
        assert_eq!(
            error(
                "update ai.vectorizer set config = jsonb_set(config, '{loading,column_name}', '\"words\"'); alter \
                table posts rename id to post"
            )
            .await,
            "\"public\".\"posts\" has no column `id`, by which its rows are known (it may be `post` now): rename it \
                back, or drop the \
             vectorizer and create it anew"
        );
        assert_eq!(error("alter table posts rename post to id").await, "");
        assert_eq!(chunks(&test).await?, ["1 one"]);
        assert_eq!(
            error("drop table posts cascade").await,
            "its source \"public\".\"posts\" was dropped: drop the vectorizer too"
        );
        Ok(())
    })
    .await;
}
