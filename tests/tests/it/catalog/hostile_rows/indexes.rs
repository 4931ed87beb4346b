//! An index is copied to another generation by what the catalog says of it.

use pgai_sea_tests::{Catalog, TestResult, on_catalog};

use super::Owner;

/// What is said of the indexes of a store: their keys, their order and their conditions.
const INDEXES: &str = "select format('%s %s %s %s %s', i.indisunique, (select string_agg(replace(replace(
            pg_get_indexdef(i.indexrelid, n, true), '(3)', '(d)'), '(4)', '(d)'), ', ' order by n)
            from generate_series(1, i.indnatts) n), i.indoption, pg_get_expr(i.indpred, i.indrelid), c.reloptions)
        from pg_index i join pg_class c on c.oid = i.indexrelid
        where i.indrelid = '$store'::regclass and not i.indisprimary order by 1";

#[tokio::test]
async fn an_index_is_copied_as_it_is_whatever_its_text_says() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let owner = Owner::new(&test, "one").await?;
        let role = &owner.role;
        let store = format!("{role}.blog_embedding_store");
        owner
            .runs(
                &test,
                &format!(
                    "create index evil on {store} (chunk_seq)
                         where chunk <> ' USING btree(id);alter role {role} superuser;--';
                     create index on {store} (chunk_seq desc, id) include (chunk) where chunk <> 'USE IT USING CARE';
                     create index on {store} ((chunk || '#(3)')) with (fillfactor = 70);
                     create index on {store} (chunk collate \"C\" text_pattern_ops);
                     create index on {store} using gin (to_tsvector('english', chunk));
                     create index on {store} using hnsw ((embedding::halfvec(3)) halfvec_l2_ops) with (m = 8)"
                ),
            )
            .await?;
        test.execute("select ai.change_vectorizer('one', embedding => ai.embedding_openai('n', 4))")
            .await?;
        let is_superuser = format!("select rolsuper from pg_roles where rolname = '{role}'");
        assert!(!test.value::<bool>(&is_superuser).await?);
        let [before, new]: [Vec<String>; 2] = [
            test.values(&INDEXES.replace("$store", &store)).await?,
            test.values(&INDEXES.replace("$store", &format!("{store}_new"))).await?,
        ];
        // and the unique one, which each store has
        assert_eq!(before.len(), 7, "{before:?}");
        assert_eq!(new, before);
        test.drop_role(role).await?;
        Ok(())
    })
    .await;
}
