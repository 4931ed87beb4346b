//! Searches through a connection with SeaORM's access control: it judges the tables of each statement, and refuses SQL
//! as text.

use pgai_sea::prelude::*;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_catalog};
use sea_orm::rbac::{RbacContext, RbacUserId, schema};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ColumnTrait, DbErr, RestrictedConnection, TransactionTrait};

use super::notes::{create, note};

const QUERY: [f32; 3] = [1.0, 2.0, -0.5];

/// Whoever may read these tables, and nothing else.
async fn readers<const N: usize>(
    test: &TestDatabase,
    of: [&'static [&'static str]; N],
) -> Result<[RestrictedConnection; N], DbErr> {
    const ROLES: [&str; 3] = ["first", "second", "third"];
    schema::create_tables(&test.db, schema::RbacCreateTablesParams::default()).await?;
    let mut rbac = RbacContext::load(&test.db).await?;
    rbac.add_tables(&test.db, &["notes", "notes_embedding_store", "secrets"])
        .await?;
    rbac.add_crud_permissions(&test.db).await?;
    rbac.add_roles(&test.db, &ROLES[..N]).await?;
    for ((user, role), tables) in (1..).zip(ROLES).zip(of) {
        rbac.assign_user_role(&test.db, &[(user, role)]).await?;
        rbac.add_role_permissions(&test.db, role, &["select"], tables).await?;
    }
    test.db.load_rbac().await?;
    let users = (1..).map(RbacUserId).take(N);
    let connections: Vec<_> = users
        .map(|user| test.db.restricted_for(user))
        .collect::<Result<_, _>>()?;
    connections
        .try_into()
        .map_err(|_| DbErr::Custom("another number of readers".to_owned()))
}

fn search() -> pgai_sea::search::Search<'static, note::embeddings::Entity> {
    note::embeddings::Entity::search(QUERY).limit(12)
}

/// Runs a search in both ways and compares.
macro_rules! same {
    ($test:ident, $restricted:expr, $search:expr) => {{
        let free: Vec<f64> = $search.all(&$test.db).await?.iter().map(|hit| hit.distance).collect();
        let restricted: Vec<f64> = $search.all($restricted).await?.iter().map(|hit| hit.distance).collect();
        assert!(!free.is_empty());
        assert_eq!(free, restricted);
    }};
}

#[tokio::test]
async fn who_may_read_source_and_store_may_search_them() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        create(&test).await?;
        test.execute("create index on notes_embedding_store using hnsw (embedding vector_cosine_ops); analyze")
            .await?;
        let [reader] = readers(&test, [&["notes", "notes_embedding_store"]]).await?;
        let rare = || note::Column::Author.eq("rare");
        same!(test, &reader, search());
        same!(test, &reader, search().filter(rare()).ef_search(100));
        same!(test, &reader, search().exact().with_source());
        same!(test, &reader, search().limit(100).max_distance(0.3));
        same!(test, &reader, search().quantized(Quantized::halfvec()));
        same!(test, &reader, search().max_scan_tuples(50).filter(rare()));
        same!(test, &reader, note::Entity::search(QUERY));
        same!(test, &reader, note::Entity::search_like(7));
        assert_eq!(search().filter(rare()).count(&reader).await?, 20);

        same!(test, &reader, search().filter(rare()).hybrid(FullText::all("note")));

        let transaction = reader.begin().await?;
        same!(test, &transaction, search().filter(rare()));
        // a page that stays short: how many rows to expect cannot be asked, and the scan goes on
        same!(test, &transaction, search().filter(rare()).limit(30));
        transaction.commit().await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn who_may_not_read_a_table_of_a_search_is_refused() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        create(&test).await?;
        test.execute("create table secrets (id int); insert into secrets values (100)")
            .await?;
        let [store, source, both] = readers(
            &test,
            [
                &["notes_embedding_store"],
                &["notes"],
                &["notes", "notes_embedding_store"],
            ],
        )
        .await?;
        let is_refused = |error: SearchError| {
            matches!(
                error,
                SearchError::Db {
                    source: DbErr::AccessDenied { .. },
                    ..
                }
            )
        };

        assert_eq!(search().all(&store).await?.len(), 12);
        assert!(is_refused(search().with_source().all(&store).await.unwrap_err()));
        let filtered = search().filter(note::Column::Author.eq("rare"));
        assert!(is_refused(filtered.clone().all(&store).await.unwrap_err()));
        assert!(is_refused(filtered.clone().count(&store).await.unwrap_err()));
        assert!(is_refused(
            filtered
                .clone()
                .hybrid(FullText::all("note"))
                .all(&store)
                .await
                .unwrap_err()
        ));
        assert!(is_refused(search().all(&source).await.unwrap_err()));
        assert!(is_refused(search().exact().all(&source).await.unwrap_err()));
        assert!(is_refused(note::Entity::search_like(7).all(&source).await.unwrap_err()));
        // what a condition reads on the side is judged as well, beside and without settings
        let secret = || note::Column::Id.in_subquery(Query::select().expr(Expr::cust("id")).from("secrets").take());
        assert_eq!(search().filter(secret()).all(&test.db).await?.len(), 1);
        assert!(is_refused(search().filter(secret()).all(&both).await.unwrap_err()));
        assert!(is_refused(
            search().filter(secret()).exact().all(&both).await.unwrap_err()
        ));
        let unbounded = search().filter(secret()).iterative_scan(IterativeScan::Off);
        assert!(is_refused(unbounded.all(&both).await.unwrap_err()));
        Ok(())
    })
    .await;
}
