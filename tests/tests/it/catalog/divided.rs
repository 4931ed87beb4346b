//! Sources whose rows come and go under other names: partitions and inheritance.

use pgai_sea_tests::{Catalog, TestDatabase, on_both_catalogs, on_catalog};

use super::{embed, embedded, take, vectorize};

async fn partitioned(test: &TestDatabase) -> Result<i32, sea_orm::DbErr> {
    test.execute(
        "create table blog (id int primary key, title text, content text) partition by range (id);
         create table blog_low partition of blog for values from (0) to (100);
         create table blog_high partition of blog for values from (100) to (200);
         insert into blog select i, 't', 'c' from generate_series(98, 101) i",
    )
    .await?;
    let id = vectorize(test, "blog", "").await?;
    assert_eq!(take(test, id).await?, [98, 99, 100, 101]);
    embed(test).await?;
    Ok(id)
}

#[tokio::test]
async fn writes_through_the_parent() {
    on_both_catalogs(async |test| {
        let id = partitioned(&test).await?;
        test.execute(
            "insert into blog values (1, 't', 'c'), (150, 't', 'c'); update blog set content = 'd' where id \
            in (98, 101); delete from blog where id = 99",
        )
        .await?;
        assert_eq!(take(&test, id).await?, [1, 98, 101, 150]);
        assert_eq!(embedded(&test).await?, [98, 100, 101]);
        test.execute("truncate blog").await?;
        assert!(embedded(&test).await?.is_empty());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn writes_straight_to_a_partition() {
    on_both_catalogs(async |test| {
        let id = partitioned(&test).await?;
        test.execute(
            "insert into blog_low values (1, 't', 'c'); update blog_high set content = 'd' where id = 101; \
            delete from blog_low where id = 99",
        )
        .await?;
        assert_eq!(take(&test, id).await?, [1, 101]);
        assert_eq!(embedded(&test).await?, [98, 100, 101]);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_row_that_moves_to_another_partition() {
    on_both_catalogs(async |test| {
        let id = partitioned(&test).await?;
        test.execute("update blog set id = 199 where id = 98").await?;
        assert_eq!(take(&test, id).await?, [199]);
        assert_eq!(embedded(&test).await?, [99, 100, 101]);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_partition_that_came_later() {
    on_both_catalogs(async |test| {
        let id = partitioned(&test).await?;
        test.execute(
            "create table blog_later partition of blog for values from (200) to (300);
             insert into blog_later values (250, 't', 'c'); insert into blog values (251, 't', 'c'); delete from \
             blog_later where id = 250",
        )
        .await?;
        assert_eq!(take(&test, id).await?, [250, 251]);
        test.execute(&format!("select ai.drop_vectorizer({id}, drop_all => true)"))
            .await?;
        let triggers: i64 = test
            .value("select count(*) from pg_trigger where tgname like '\\_vectorizer%'")
            .await?;
        assert_eq!(triggers, 0);
        Ok(())
    })
    .await;
}

/// No trigger sees rows that come or go with their partition.
#[tokio::test]
async fn partitions_that_are_truncated_attached_and_detached() {
    on_catalog(Catalog::Ours, async |test| {
        let id = partitioned(&test).await?;
        test.execute(
            "truncate blog_low; create table more as select i as id, 't' as title, 'c' as content from \
                generate_series(200, 201) i;
             alter table more alter id set not null; alter table blog attach partition more for values from (200) to \
             (300)",
        )
        .await?;
        assert!(take(&test, id).await?.is_empty());
        test.execute(&format!("select ai.refresh_vectorizer({id})")).await?;
        assert_eq!(take(&test, id).await?, [98, 99, 200, 201]);
        test.execute("delete from more where id = 200; insert into more values (202, 't', 'c')")
            .await?;
        assert_eq!(take(&test, id).await?, [202]);
        test.execute(&format!(
            "alter table blog detach partition blog_high; select \
            ai.refresh_vectorizer({id})"
        ))
        .await?;
        assert_eq!(take(&test, id).await?, [98, 99, 100, 101, 201, 202]);
        test.execute("insert into blog_high values (150, 't', 'c')").await?;
        assert!(take(&test, id).await?.is_empty());
        Ok(())
    })
    .await;
}

/// A vectorizer of one partition sees what is written through the parent.
#[tokio::test]
async fn a_partition_as_the_source() {
    on_both_catalogs(async |test| {
        test.execute(
            "create table whole (id int primary key, content text) partition by range (id);
             create table blog partition of whole for values from (0) to (100);
             create table rest partition of whole default",
        )
        .await?;
        let id = vectorize(&test, "blog", "").await?;
        test.execute("insert into whole values (1, 'c'), (2, 'c'), (100, 'c')")
            .await?;
        assert_eq!(take(&test, id).await?, [1, 2]);
        test.execute(
            "insert into blog_embedding_store (id, chunk_seq, chunk, embedding) values (1, 0, '', '[1,2,3]'), \
            (2, 0, '', '[1,2,3]')",
        )
        .await?;
        test.execute(
            "update whole set content = 'd'; delete from whole where id = 1; update whole set id = 101 where \
            id = 2",
        )
        .await?;
        assert_eq!(take(&test, id).await?, [1, 2]);
        assert!(embedded(&test).await?.is_empty());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_child_as_the_source() {
    on_both_catalogs(async |test| {
        test.execute(
            "create table whole (id int, content text); create table blog (primary key (id)) inherits (whole)",
        )
        .await?;
        let id = vectorize(&test, "blog", "").await?;
        test.execute("insert into blog values (1, 'c'); update whole set content = 'd'; delete from whole")
            .await?;
        assert_eq!(take(&test, id).await?, [1, 1]);
        Ok(())
    })
    .await;
}

/// A statement that names the parent writes to its children, whose rows no row trigger of the parent sees.
#[tokio::test]
async fn a_parent_that_is_not_partitioned_as_the_source() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(
            "create table blog (id int primary key, title text, content text); create table child () inherits (blog);
             insert into child values (2, 't', 'c')",
        )
        .await?;
        let id = vectorize(&test, "blog", "").await?;
        assert_eq!(take(&test, id).await?, [2]);
        test.execute("insert into blog values (1, 't', 'c')").await?;
        assert_eq!(take(&test, id).await?, [1]);
        embed(&test).await?;
        test.execute("delete from blog where id = 2").await?;
        assert_eq!(embedded(&test).await?, [1]);
        Ok(())
    })
    .await;
}

/// Its triggers are those of a table of its own until they are made anew.
#[tokio::test]
async fn a_table_that_becomes_a_partition() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(
            "create table blog (id int primary key, title text, content text); insert into blog values (1, 't', 'c'), \
                (2, 't', 'c')",
        )
        .await?;
        let id = vectorize(&test, "blog", "").await?;
        take(&test, id).await?;
        embed(&test).await?;
        test.execute(&format!(
            "create table whole (id int primary key, title text, content text) partition by range (id);
             alter table whole attach partition blog for values from (0) to (100);
             select ai.refresh_vectorizer({id});
             insert into whole values (3, 't', 'c'); insert into blog values (4, 't', 'c');
             update whole set content = 'd' where id = 1; delete from whole where id = 2"
        ))
        .await?;
        assert_eq!(take(&test, id).await?, [1, 3, 4]);
        assert_eq!(embedded(&test).await?, [1]);
        Ok(())
    })
    .await;
}
