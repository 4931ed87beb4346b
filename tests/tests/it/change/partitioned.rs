//! A store in partitions: from one table and back, and what is searched meanwhile.

use pgai_sea::catalog::{self, StoreState};
use pgai_sea::change::{self, Plan};
use pgai_sea::config::{Destination, Embedding, Indexing, Loading};
use pgai_sea::prelude::*;
use pgai_sea::{ChangeVectorizer, CreateVectorizer};
use pgai_sea_tests::{Catalog, TestDatabase, on_catalog};
use sea_orm::{ColumnTrait as _, ConnectionTrait as _, TransactionTrait as _};

use super::support::{Models, objects};

mod note {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "notes")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        #[vectorizer(dimensions = 8)]
        pub body: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

use note::body_embeddings;

const STORE: &str = "notes_embedding_store";

/// Ten tenants with thirty notes each.
async fn notes(test: &TestDatabase, destination: &str) -> Result<(), sea_orm::DbErr> {
    test.execute(&format!(
        "create table notes (tenant int, id int, body text, primary key (tenant, id));
         insert into notes select t, i, 'note ' || i || ' of ' || t
             from generate_series(1, 10) t, generate_series(1, 30) i;
         select ai.create_vectorizer('notes', name => 'notes', loading => ai.loading_column('body'),
             embedding => ai.embedding_ollama('small', 8), chunking => ai.chunking_none(),
             indexing => ai.indexing_hnsw(min_rows => 1){destination})"
    ))
    .await
}

/// The partitions of a store, with how many valid HNSW indexes each has that are parts of the store's own.
async fn partitions(test: &TestDatabase, store: &str) -> Vec<String> {
    test.values(&format!(
        "select format('%s %s', p.inhrelid::regclass, count(i.indexrelid))
         from pg_inherits p
         left join pg_index i on i.indrelid = p.inhrelid and i.indisvalid
             and pg_get_indexdef(i.indexrelid) like '%USING hnsw%'
             and exists (select from pg_inherits x join pg_index w on w.indexrelid = x.inhparent
                 where x.inhrelid = i.indexrelid and w.indisvalid)
         where p.inhparent = '{store}'::regclass
         group by p.inhrelid order by 1"
    ))
    .await
    .unwrap()
}

/// What a store holds that is not as its source has it.
async fn wrong(test: &TestDatabase, store: &str) -> i64 {
    test.value(&format!(
        "select count(*) from notes n full join {store} s using (tenant, id) where n.body is distinct from s.chunk"
    ))
    .await
    .unwrap()
}

#[tokio::test]
async fn a_store_is_partitioned_and_nothing_is_paid() {
    on_catalog(Catalog::Ours, async |test| {
        notes(&test, "").await?;
        let models = Models::new();
        models.run(&test).await;
        let before = objects(&test).await;
        let paid = models.small.paid();
        assert_eq!(paid, 300);

        let split = ChangeVectorizer::new("notes").partitions(4);
        let plan = Plan::new().run(&test.db, &split).await?;
        assert!(plan.needs_generation, "{plan:?}");
        assert_eq!((plan.chunks, plan.copied, plan.tokens), (300, 300, 0), "{plan:?}");
        change::start(&test.db, &split).await?;
        let id = change::find(&test.db, "notes").await?.ok_or("no change")?.new.id;
        models.run(&test).await;
        change::cut_over(&test.db, "notes").await?;
        let each: Vec<String> = (0..4).map(|n| format!("_vectorizer_store_{id}_{n} 1")).collect();
        assert_eq!(partitions(&test, STORE).await, each);
        assert_eq!(wrong(&test, STORE).await, 0);

        // a search for one tenant asks one index, and finds no other's
        let text = "note 7 of 3";
        let search = || {
            body_embeddings::Entity::search(models.small.vector(text))
                .filter(body_embeddings::Column::Tenant.eq(3))
                .limit(5)
        };
        let hits = search().all(&test.db).await?;
        assert_eq!(hits.len(), 5);
        assert_eq!(hits.first().map(|hit| hit.embedding.chunk.as_str()), Some(text));
        assert!(hits.iter().all(|hit| hit.embedding.source_key.0 == 3), "{hits:?}");
        let of_source = body_embeddings::Entity::search(models.small.vector(text)).filter(note::Column::Tenant.eq(3));
        for search in [search(), of_source] {
            let explained = search.explain(&test.db).await?;
            let asked = each.iter().filter(|each| {
                let partition = each.trim_end_matches(" 1");
                explained.plan().contains(partition)
            });
            assert_eq!(asked.count(), 1, "{explained}");
        }
        // .. and one for all asks all
        let hits = body_embeddings::Entity::search(models.small.vector(text))
            .limit(100)
            .all(&test.db)
            .await?;
        assert_eq!(hits.len(), 100);
        assert!(hits.is_sorted_by(|one, next| one.distance <= next.distance), "{hits:?}");

        // both stores are kept current
        test.execute(
            "update notes set body = 'edited' where id <= 3; delete from notes where id > 25;
             update notes set tenant = 11 where tenant = 1",
        )
        .await?;
        models.run(&test).await;
        for store in [STORE, "notes_embedding_store_old"] {
            assert_eq!(wrong(&test, store).await, 0, "{store}");
        }
        change::roll_back(&test.db, "notes").await?;
        assert!(partitions(&test, STORE).await.is_empty());
        change::cut_over(&test.db, "notes").await?;
        change::finish(&test.db, "notes").await?;
        assert_eq!(partitions(&test, STORE).await, each);

        // a column of another name is the same column
        test.execute("alter table notes rename tenant to account; select ai.refresh_vectorizer('notes')")
            .await?;
        let paid = models.small.paid();
        models.run(&test).await;
        assert_eq!(models.small.paid(), paid);
        let status = catalog::status(&test.db, "notes").await?;
        assert_eq!(status.store, StoreState::Current);
        let by: String = test
            .value("select config #>> '{destination,partition_by}' from ai.vectorizer")
            .await?;
        assert_eq!(by, "account");
        test.execute("alter table notes rename account to tenant; select ai.refresh_vectorizer('notes')")
            .await?;

        // another number, and back to one table
        for partitions in [2, 1] {
            change::start(&test.db, &ChangeVectorizer::new("notes").partitions(partitions)).await?;
            models.run(&test).await;
            change::cut_over(&test.db, "notes").await?;
            change::finish(&test.db, "notes").await?;
            assert_eq!(wrong(&test, STORE).await, 0);
        }
        assert_eq!(models.small.paid(), paid, "nothing is asked for");
        assert_eq!(objects(&test).await, before);
        Ok(())
    })
    .await;
}

/// Its partitions are made with it, keep to a change of the model, and go with it.
#[tokio::test]
async fn a_vectorizer_is_created_with_partitions() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute("create table notes (tenant int, id int, body text, primary key (tenant, id))")
            .await?;
        let create = |destination| {
            CreateVectorizer::new("notes")
                .name("notes")
                .destination(destination)
                .loading(Loading::column("body"))
                .embedding(Embedding::ollama("small", 8))
                .chunking(pgai_sea::config::Chunking::none())
                .indexing(Indexing::hnsw().min_rows(1))
        };
        let destination = Destination::table().partitions(3).partition_by("id").halfvec();
        test.db.query_one_raw(create(destination).statement()?).await?;
        test.execute("insert into notes select 1, i, 'note ' || i from generate_series(1, 50) i")
            .await?;
        let models = Models::new();
        models.run(&test).await;
        assert_eq!(partitions(&test, STORE).await.len(), 3);
        assert_eq!(wrong(&test, STORE).await, 0);
        let all: i64 = test
            .value("select count(distinct tableoid) from notes_embedding_store")
            .await?;
        assert_eq!(all, 3);
        let model = ChangeVectorizer::new("notes").embedding(Embedding::ollama("large", 12));
        change::start(&test.db, &model).await?;
        models.run(&test).await;
        change::cut_over(&test.db, "notes").await?;
        change::finish(&test.db, "notes").await?;
        let kept = partitions(&test, STORE).await;
        assert!(
            kept.len() == 3 && kept.iter().all(|partition| partition.ends_with(" 1")),
            "{kept:?}"
        );
        test.execute("select ai.drop_vectorizer('notes', drop_all => true)")
            .await?;
        let left: Vec<String> = test
            .values("select relname::text from pg_class where relname ~ '^_vectorizer_(store|q|src)|embedding'")
            .await?;
        assert!(left.is_empty(), "{left:?}");
        Ok(())
    })
    .await;
}

/// A writer to the store keeps the indexes from being taken in, and is not kept waiting for.
#[tokio::test]
async fn indexes_are_taken_in_when_nobody_writes() {
    on_catalog(Catalog::Ours, async |test| {
        notes(&test, ", destination => ai.destination_partitioned(4)").await?;
        let models = Models::new();
        // it writes no row that a build would wait for, and has the lock of one who does
        let writer = test.db.begin().await?;
        writer
            .execute_unprepared(&format!("lock table only {STORE} in row exclusive mode"))
            .await?;
        models.run(&test).await;
        assert_eq!(wrong(&test, STORE).await, 0);
        assert!(
            partitions(&test, STORE)
                .await
                .iter()
                .all(|partition| partition.ends_with(" 0")),
            "the store has no index yet"
        );
        writer.rollback().await?;
        models.run(&test).await;
        assert!(
            partitions(&test, STORE)
                .await
                .iter()
                .all(|partition| partition.ends_with(" 1")),
            "{:?}",
            partitions(&test, STORE).await
        );
        Ok(())
    })
    .await;
}

/// Somebody writes the number into the configuration, which the store does not have.
#[tokio::test]
async fn partitions_that_are_edited_in_place_are_refused_with_the_operation() {
    on_catalog(Catalog::Ours, async |test| {
        notes(&test, "").await?;
        let models = Models::new();
        models.run(&test).await;
        test.execute(
            r#"update ai.vectorizer
               set config = jsonb_set(config, '{destination}',
                   config -> 'destination' || '{"partitions": 4, "partition_by": "id"}')"#,
        )
        .await?;
        let report = models.worker(&test).run_once().await?;
        let said = report.errors().map(|error| error.1).collect::<Vec<_>>().join("\n");
        assert!(
            said.contains("edited to 4 partitions by \"id\", and its store is one table")
                && said.contains("select ai.change_vectorizer('notes', partitions => ..)"),
            "{said}"
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn pgais_own_schema_cannot_do_it() {
    on_catalog(Catalog::Pgai, async |test| {
        test.execute(
            "create table notes (tenant int, id int, body text, primary key (tenant, id));
             select ai.create_vectorizer('notes', name => 'notes', loading => ai.loading_column('body'),
                 embedding => ai.embedding_ollama('small', 8), chunking => ai.chunking_none())",
        )
        .await?;
        let error = change::start(&test.db, &ChangeVectorizer::new("notes").partitions(4))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("partition a store"), "{error}");
        Ok(())
    })
    .await;
}
