//! Installing the schema, and removing it.

use pgai_sea::catalog::{self, CatalogError, Installed};
use pgai_sea_tests::{Catalog, Snapshot, TestDatabase, on_catalog};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, TransactionTrait};

use super::upgrade::VERSION;
use super::{BLOG, until_waiting, vectorize};

/// Connected as a role of no rights.
pub(super) async fn as_nobody(test: &TestDatabase) -> Result<(DatabaseConnection, String), sea_orm::DbErr> {
    let role = test.role("nobody").await?;
    let mut options = ConnectOptions::new(test.url.clone());
    options.max_connections(1).sqlx_logging(false);
    let db = Database::connect(options).await?;
    sea_orm::ConnectionTrait::execute_unprepared(&db, &format!("set session authorization {role}")).await?;
    Ok((db, role))
}

#[tokio::test]
async fn on_a_bare_database_and_again() {
    on_catalog(Catalog::Bare, async |test| {
        let before = Snapshot::of(&test.db).await?;
        let installed = catalog::install(&test.db).await?;
        let Installed::Installed { version } = installed else {
            panic!("{installed:?}");
        };
        let after = Snapshot::of(&test.db).await?;
        let outside = after
            .added_since(&before)
            .only(|line| !line.contains(" ai.") && !line.contains("schema ai"));
        assert!(outside.is_empty(), "{outside}");
        assert_eq!(
            catalog::install(&test.db).await?,
            Installed::AlreadyInstalled { version }
        );
        assert!(Snapshot::of(&test.db).await?.added_since(&after).is_empty());
        catalog::uninstall(&test.db).await?;
        assert_eq!(Snapshot::of(&test.db).await?, before);
        let again = catalog::uninstall(&test.db).await.unwrap_err();
        assert_eq!(again.to_string(), "there is no schema ai of pgai-sea to remove");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_extension_is_added_where_it_is_missing() {
    on_catalog(Catalog::Bare, async |test| {
        test.execute("drop extension vector").await?;
        catalog::install(&test.db).await?;
        test.execute(BLOG).await?;
        vectorize(&test, "blog", "").await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_extension_may_be_in_another_schema() {
    on_catalog(Catalog::Bare, async |test| {
        test.execute("create schema \"Ex t\"; alter extension vector set schema \"Ex t\"")
            .await?;
        catalog::install(&test.db).await?;
        let result: String = test
            .value("select pg_get_function_result('ai.vectorizer_embed(int, text, text)'::regprocedure)")
            .await?;
        assert_eq!(result, "\"Ex t\".vector");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn two_at_once() {
    on_catalog(Catalog::Bare, async |test| {
        // both have to wait, and neither has seen anything yet
        let holder = test.db.begin().await?;
        holder
            .execute_unprepared("select pg_advisory_xact_lock(hashtextextended('pgai-sea: schema ai', 0))")
            .await?;
        let let_go = async {
            until_waiting(&test, 2).await?;
            holder.commit().await
        };
        let (one, other, let_go) = tokio::join!(catalog::install(&test.db), catalog::install(&test.db), let_go);
        let_go?;
        let mut outcomes = [one?.to_string(), other?.to_string()];
        outcomes.sort();
        assert_eq!(
            outcomes,
            [
                format!("installed the schema ai, version {VERSION}"),
                format!("the schema ai is there already, version {VERSION}")
            ]
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn inside_of_a_transaction_that_is_rolled_back_nothing_is_left() {
    on_catalog(Catalog::Bare, async |test| {
        let before = Snapshot::of(&test.db).await?;
        let transaction = test.db.begin().await?;
        catalog::install(&transaction).await?;
        let path = sea_orm::ConnectionTrait::query_one_raw(
            &transaction,
            sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, "select current_setting('search_path')"),
        )
        .await?
        .unwrap();
        assert_eq!(path.try_get_by_index::<String>(0)?, "\"$user\", public");
        transaction.rollback().await?;
        assert_eq!(Snapshot::of(&test.db).await?, before);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn pgai_is_left_as_it_is() {
    on_catalog(Catalog::Pgai, async |test| {
        let before = Snapshot::of(&test.db).await?;
        let installed = catalog::install(&test.db).await?;
        assert_eq!(
            installed,
            Installed::PgaiPresent {
                version: "0.12.1".to_owned()
            }
        );
        assert_eq!(installed.to_string(), "pgai 0.12.1 is there and is used as it is");
        assert!(matches!(catalog::uninstall(&test.db).await, Err(CatalogError::NotOurs)));
        assert_eq!(Snapshot::of(&test.db).await?, before);

        for version in ["0.9.2", "0.13.0"] {
            test.execute(&format!("update ai.pgai_lib_version set version = '{version}'"))
                .await?;
            let error = catalog::install(&test.db).await.unwrap_err().to_string();
            assert!(error.contains(version) && error.contains("0.10 to 0.12"), "{error}");
        }
        assert_eq!(Snapshot::of(&test.db).await?, before);
        Ok(())
    })
    .await;
}

/// pgai's extension, which owned the schema until 0.10, and has no vectorizers of its own since.
#[tokio::test]
async fn the_extension_ai_is_left_as_it_is() {
    on_catalog(Catalog::Bare, async |test| {
        // its control file is on no server here: what matters is that PostgreSQL believes it to be there
        test.execute(
            "set allow_system_table_mods = on;
             insert into pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
             select 99999, 'ai', nspowner, oid, false, '0.9.1' from pg_namespace where nspname = 'public';
             reset allow_system_table_mods",
        )
        .await?;
        let before = Snapshot::of(&test.db).await?;
        let error = catalog::install(&test.db).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "this database has pgai 0.9.1, and pgai-sea works with 0.10 to 0.12: upgrade with `pip install \
                pgai==0.12.1` and `pgai install`"
        );
        assert_eq!(Snapshot::of(&test.db).await?, before);

        test.execute(
            "set allow_system_table_mods = on; update pg_extension set extversion = '0.11.2' where extname = 'ai';
             reset allow_system_table_mods",
        )
        .await?;
        let before = Snapshot::of(&test.db).await?;
        let error = catalog::install(&test.db).await.unwrap_err().to_string();
        assert!(
            error.starts_with("the extension ai 0.11.2 owns the schema ai, which has no vectorizers"),
            "{error}"
        );
        assert!(matches!(
            catalog::uninstall(&test.db).await,
            Err(CatalogError::NoVectorizers { .. })
        ));
        assert_eq!(Snapshot::of(&test.db).await?, before);
        Ok(())
    })
    .await;
}

/// The schema is there, and the role may not look into it; then it may, and would have to change what is another's.
#[tokio::test]
async fn a_role_is_told_whose_schema_it_is() {
    for which in [Catalog::Ours, Catalog::Pgai] {
        on_catalog(which, async |test| {
            test.execute(BLOG).await?;
            vectorize(&test, "blog", "").await?;
            let (nobody, role) = as_nobody(&test).await?;
            let error = catalog::install(&nobody).await.unwrap_err().to_string();
            let tables = match which {
                Catalog::Ours => "ai.pgai_lib_version, ai.pgai_sea_migration, ai.vectorizer",
                _ => "ai.pgai_lib_version, ai.vectorizer",
            };
            let grant = format!("GRANT USAGE ON SCHEMA ai TO {role}; GRANT SELECT ON {tables} TO {role}");
            assert_eq!(
                error,
                format!("role \"{role}\" may not read the schema ai: run `{grant}` as its owner, then try again")
            );
            test.execute(&grant).await?;
            let installed = catalog::install(&nobody).await?;
            assert!(
                matches!(
                    installed,
                    Installed::AlreadyInstalled { .. } | Installed::PgaiPresent { .. }
                ),
                "{installed:?}"
            );
            if which == Catalog::Ours {
                test.execute("update ai.pgai_sea_migration set version = 1").await?;
                let owner: String = test.value("select current_user::text").await?;
                let error = catalog::install(&nobody).await.unwrap_err().to_string();
                assert_eq!(
                    error,
                    format!(
                        "role \"{role}\" may not upgrade the schema ai and its vectorizers' triggers: run `GRANT \
                            {owner} TO {role}` \
                         as its owner, then try again"
                    )
                );
            }
            nobody.close().await?;
            test.drop_role(&role).await?;
            Ok(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_role_without_rights_is_told_what_to_grant() {
    on_catalog(Catalog::Bare, async |test| {
        let before = Snapshot::of(&test.db).await?;
        let (nobody, role) = as_nobody(&test).await?;
        let database: String = test.value("select current_database()::text").await?;
        let error = catalog::install(&nobody).await.unwrap_err().to_string();
        let grant = format!("GRANT CREATE ON DATABASE {database} TO {role}");
        assert_eq!(
            error,
            format!(
                "role \"{role}\" may not create a schema in this database: run `{grant}` as its owner, then try again"
            )
        );
        assert_eq!(Snapshot::of(&test.db).await?, before);

        test.execute(&grant).await?;
        test.execute("drop extension vector").await?;
        let error = catalog::install(&nobody).await.unwrap_err();
        assert!(matches!(error, CatalogError::NoVector(_)), "{error}");
        assert!(
            error
                .to_string()
                .contains("as a superuser run `CREATE EXTENSION vector`"),
            "{error}"
        );

        test.execute("create extension vector; create schema ai").await?;
        let error = catalog::install(&nobody).await.unwrap_err().to_string();
        assert!(
            error.contains(&format!("run `GRANT CREATE, USAGE ON SCHEMA ai TO {role}`")),
            "{error}"
        );

        test.execute("drop schema ai").await?;
        catalog::install(&nobody).await?;
        nobody.close().await?;
        test.drop_role(&role).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_others_keep_in_the_schema_stays() {
    on_catalog(Catalog::Bare, async |test| {
        test.execute(
            "create schema ai; create table ai.mine (id int); create function ai.mine() returns int language \
            sql return 1",
        )
        .await?;
        let before = Snapshot::of(&test.db).await?;
        catalog::install(&test.db).await?;
        catalog::uninstall(&test.db).await?;
        assert_eq!(Snapshot::of(&test.db).await?, before);

        test.execute("drop table ai.mine; drop function ai.mine").await?;
        catalog::install(&test.db).await?;
        catalog::uninstall(&test.db).await?;
        assert_eq!(
            test.value::<i64>("select count(*) from pg_namespace where nspname = 'ai'")
                .await?,
            1
        );

        test.execute("create table ai.vectorizer (id int)").await?;
        let error = catalog::install(&test.db).await.unwrap_err().to_string();
        assert_eq!(
            error,
            "the schema ai has a vectorizer that is not pgai's: move it to another schema, then try again"
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn it_is_not_removed_while_in_use() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        vectorize(&test, "blog", ", name => 'one'").await?;
        vectorize(
            &test,
            "blog",
            ", name => 'two', destination => ai.destination_table('d')",
        )
        .await?;
        let before = Snapshot::of(&test.db).await?;
        let error = catalog::uninstall(&test.db).await.unwrap_err().to_string();
        assert_eq!(
            error,
            "the schema ai is in use by vectorizers one, two: drop them first"
        );
        assert_eq!(Snapshot::of(&test.db).await?, before);
        Ok(())
    })
    .await;
}
