//! Functions and operators that someone has put into a schema of the search path, each a better match for some call
//! than
//! PostgreSQL's own.

use std::sync::Arc;
use std::time::Duration;

use pgai_sea::catalog::{self, Installed};
use pgai_sea::embedder::{EmbedError, Embedder, Embeddings, InputType};
use pgai_sea::migration::prelude::*;
use pgai_sea::worker::Worker;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_catalog};
use sea_orm::DbErr;
use tokio::process::Command;

use super::BLOG;
use super::releases;
use super::upgrade::VERSION;

/// Plants an operator of each name for each pair of these types
/// that PostgreSQL has none for, and a function of each name for arguments that PostgreSQL has none for. Whoever calls
/// one is counted, also if that is undone, and fails.
async fn plant(test: &TestDatabase) -> Result<(), DbErr> {
    test.execute(
        r#"create sequence public.calls; grant usage on sequence public.calls to public;
        begin; set local search_path = pg_catalog, pg_temp;
        create function public.planted(what text) returns text language plpgsql as
            $$ begin perform nextval('public.calls'); raise exception 'planted: % as %', what, current_user; end $$;
        do $do$
        declare
            types text[] := array['int2', 'int4', 'int8', 'oid', 'regclass', 'regproc', 'regprocedure', 'regtype',
                'regrole'
                , 'regnamespace', 'text', 'name', 'varchar', 'bpchar', '"char"', 'bool', 'timestamptz', 'interval',
                    'float8'
                , 'jsonb', 'uuid', 'xid', 'tid', 'text[]', 'name[]', 'int4[]', 'oid[]'];
            names text[] := array['has_table_privilege', 'has_schema_privilege', 'has_column_privilege',
                'has_database_privilege'
                , 'has_any_column_privilege', 'pg_has_role', 'format', 'concat', 'concat_ws', 'quote_ident',
                    'quote_literal'
                , 'unnest', 'array_agg', 'string_agg', 'jsonb_agg', 'jsonb_build_object', 'jsonb_to_record',
                    'count', 'sum', 'min'
                , 'max', 'bool_and', 'bool_or', 'to_regclass', 'to_regprocedure', 'to_regnamespace', 'current_setting'
                , 'set_config', 'pg_sleep', 'pg_relation_size', 'octet_length', 'length', 'pg_column_size', 'hashtext'
                , 'hashtextextended', 'pg_advisory_xact_lock', 'pg_try_advisory_xact_lock', 'pg_notify', 'date_trunc'
                , 'make_interval', 'pg_get_userbyid', 'aclexplode', 'pg_get_expr', 'obj_description', 'array_remove'
                , 'array_length', 'row_security_active', 'to_jsonb', 'regexp_replace', 'lower', 'encode',
                    'convert_to', 'btrim'
                , 'pg_identify_object', 'format_type', 'array_position', 'cardinality', 'jsonb_array_elements',
                    'starts_with'];
            a text; b text; o text; n text; i int := 0; signature text;
        begin
            foreach a in array types loop
                foreach b in array types loop
                    i := i + 1;
                    execute format($f$create function public.planted_%s(a %s, b %s) returns bool language plpgsql as
                        $b$begin perform public.planted(%L); return null; end$b$$f$, i, a, b,
                            format('operator of %s and %s', a, b));
                    foreach o in array array['=', '<>', '<', '>', '<=', '>=', '||', '+', '-', '->', '->>', '#>>',
                        '?', '~'] loop
                        continue when exists (select from pg_operator p where p.oprname = o and p.oprleft = a::regtype
                            and p.oprright = b::regtype and p.oprnamespace = 'pg_catalog'::regnamespace);
                        execute format('create operator public.%s (leftarg = %s, rightarg = %s
                            , function = public.planted_%s)', o, a, b, i);
                    end loop;
                end loop;
            end loop;
            foreach n in array names loop
                foreach a in array types loop
                    foreach signature in array array['%s', '%s, text', '%s, name', '%s, int4', '%s, bool',
                        'text, %s', 'name, %s'
                        , 'text, name, %s', 'name, %s, text', 'text, %s, %1$s', '%s, text, text'] loop
                        signature := format(signature, a);
                        continue when to_regprocedure(format('pg_catalog.%I(%s)', n, signature)) is not null
                            or to_regprocedure(format('public.%I(%s)', n, signature)) is not null;
                        execute format($f$create function public.%I(%s) returns text language plpgsql as
                            $b$begin return public.planted(%L); end$b$$f$, n, signature, format('%s(%s)', n,
                                signature));
                    end loop;
                end loop;
            end loop;
        end
        $do$;
        commit"#,
    )
    .await
}

fn create() -> CreateVectorizer {
    CreateVectorizer::new("blog")
        .name("posts")
        .loading(Loading::column("content"))
        .embedding(Embedding::openai("m", 3))
}

/// What reads the catalog and looks after it, from Rust and from the command line.
async fn look_after(test: &TestDatabase) -> TestResult {
    for vectorizer in catalog::vectorizers(&test.db).await? {
        catalog::status(&test.db, &vectorizer).await?;
        catalog::failed_count(&test.db, &vectorizer).await?;
        catalog::failed(&test.db, &vectorizer, 10).await?;
        catalog::retry_failed(&test.db, &vectorizer).await?;
    }
    let waited = catalog::wait_until_embedded(&test.db, "posts", 1, std::time::Duration::ZERO).await;
    let waited = waited.unwrap_err().to_string();
    assert!(waited.contains("still queued"), "{waited}");
    catalog::vectorizer(&test.db, catalog::VectorizerRef::from("posts")).await?;
    pgai_sea::check::check(&test.db).await?;
    for command in [["status"].as_slice(), &["failed", "list"], &["failed", "retry"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
            .args(command)
            .args(["-d", &test.url])
            .output()
            .await?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !said.contains("planted") && !said.contains("not unique"),
            "{command:?}: {said}"
        );
    }
    Ok(())
}

async fn assert_none_was_called(test: &TestDatabase) -> TestResult {
    assert!(!test.value::<bool>("select is_called from public.calls").await?);
    Ok(())
}

#[tokio::test]
async fn nothing_planted_is_called_by_whoever_installs_migrates_and_looks() {
    on_catalog(Catalog::Bare, async |test| {
        plant(&test).await?;
        let manager = SchemaManager::new(&test.db);
        assert_eq!(manager.install_pgai().await?, Installed::Installed { version: VERSION });
        test.execute(BLOG).await?;
        manager.create_vectorizer(create()).await?;
        test.execute("insert into blog values (1, 't', 'c')").await?;
        look_after(&test).await?;
        manager.disable_vectorizer_schedule("posts").await?;
        manager.enable_vectorizer_schedule("posts").await?;
        manager.refresh_vectorizer("posts").await?;
        manager.release_vectorizer("posts").await.unwrap_err(); // it takes a transaction
        manager
            .create_vector_index(pgai_sea::pgvector::CreateVectorIndex::hnsw(
                "blog_embedding_store",
                "embedding",
            ))
            .await?;
        manager
            .drop_vectorizer(DropVectorizer::target_table("blog_embedding_store").drop_all(true))
            .await?;
        manager.create_vectorizer(create()).await?;
        test.execute("drop table blog, blog_embedding_store cascade").await?;
        manager.install_pgai().await?; // drops what is left over
        catalog::uninstall(&test.db).await?;
        assert_none_was_called(&test).await?;

        Ok(())
    })
    .await;
}

/// Its views would keep what they found.
#[tokio::test]
async fn nor_by_an_upgrade() {
    on_catalog(Catalog::Bare, async |test| {
        let manager = SchemaManager::new(&test.db);
        releases::install(&test, 1).await?;
        test.execute(BLOG).await?;
        manager.create_vectorizer(create()).await?;
        test.execute("insert into blog values (1, 't', 'c')").await?;
        plant(&test).await?;
        assert_eq!(
            manager.install_pgai().await?,
            Installed::Upgraded { from: 1, to: VERSION }
        );
        test.execute("select * from ai.vectorizer_status").await?;
        look_after(&test).await?;
        assert_none_was_called(&test).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn nor_on_pgai_s_catalog() {
    on_catalog(Catalog::Pgai, async |test| {
        let manager = SchemaManager::new(&test.db);
        test.execute(BLOG).await?;
        manager.create_vectorizer(create()).await?;
        test.execute("insert into blog values (1, 't', 'c')").await?;
        plant(&test).await?;
        manager.install_pgai().await?;
        look_after(&test).await?;
        assert_none_was_called(&test).await?;
        Ok(())
    })
    .await;
}

/// Embeds everything but what is called so.
#[derive(Debug)]
struct But(&'static str);

#[async_trait::async_trait]
impl Embedder for But {
    async fn embed(&self, texts: &[&str], _: InputType) -> Result<Embeddings, EmbedError> {
        if texts.iter().any(|text| text.contains(self.0)) {
            return Err(EmbedError::Refused {
                provider: "but",
                status: 400,
                message: "not this one".to_owned(),
            });
        }
        Ok(Embeddings::new(vec![vec![1.0, 2.0, 3.0]; texts.len()]))
    }
}

#[tokio::test]
async fn nor_by_a_worker() {
    on_both_catalogs(async |test| {
        test.execute(BLOG).await?;
        SchemaManager::new(&test.db).create_vectorizer(create()).await?;
        plant(&test).await?;
        let worker = || {
            Worker::new(test.db.clone())
                .embedder("openai", "m", Arc::new(But("poison")))
                .retry_delay(Duration::from_millis(1))
                .poll_interval(Duration::from_millis(20))
        };
        test.execute("insert into blog select i, 't', 'c ' || i::text from generate_series(1, 300) i")
            .await?;
        let report = worker().run_once().await?;
        assert_eq!((report.rows(), report.errors().count()), (300, 0), "{report:?}");
        // an edit, a row that goes, one that is refused and given up, a configuration that changes
        test.execute(
            "update blog set content = 'poison' where id operator(pg_catalog.=) 1;
             update blog set content = 'edited' where id operator(pg_catalog.=) 2;
             delete from blog where id operator(pg_catalog.=) 3",
        )
        .await?;
        let report = worker().run_until(tokio::time::sleep(Duration::from_secs(2))).await?;
        assert!(report.errors().next().is_none(), "{report:?}");
        assert_none_was_called(&test).await
    })
    .await;
}
