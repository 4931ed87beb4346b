//! What a full-text search looks for, and where.

use pgai_sea::migration::prelude::{SchemaManager, VectorizerManagerExt};
use pgai_sea::prelude::*;
use pgai_sea::search::CreateTextIndex;
use pgai_sea::search::Ranked;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_catalog};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, DbErr, Statement, TransactionTrait};

use super::library::{filled, passage};
use super::like::{label, labels};

/// Six labels, one without a vector.
async fn create(test: &TestDatabase) -> TestResult {
    labels(test).await?;
    test.execute(
        "truncate labels;
         insert into labels (id, text, embedding) values
             (1, 'the lighthouse', '[1,0,0]'), (2, 'lighthouses and a lighthouse', '[1,1,0]'),
             (3, 'a lighthouse keeper, who keeps the lighthouse, which is a lighthouse as lighthouses are', '[0,0,1]'),
             (4, 'lighthouse', null), (5, 'light of a house', '[0,1,1]'), (6, 'die Leuchttürme', '[1,0,1]');
         alter table labels add words tsvector generated always as (to_tsvector('simple', text)) stored",
    )
    .await?;
    Ok(())
}

/// What matches, best first, with its score.
async fn matching(
    test: &TestDatabase,
    document: &str,
    query: &str,
    normalization: i32,
) -> Result<Vec<(i32, f64)>, DbErr> {
    // any of several words is ranked by how many there are
    let rank = if query.contains(" | ") { "ts_rank" } else { "ts_rank_cd" };
    let sql = format!(
        "select id, {rank}({document}, {query}, {normalization})::float8 as score from labels
         where {document} @@ {query} and embedding is not null order by score desc, id"
    );
    let rows = test
        .db
        .query_all_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get("", "id")?, row.try_get("", "score")?)))
        .collect()
}

/// The same of hits.
fn matched(hits: &[Ranked<RowHit<label::Model>>]) -> Vec<(i32, f64)> {
    let mut matched: Vec<_> = hits
        .iter()
        .filter_map(|hit| Some((hit.text_rank?, hit.source.id, hit.text_score?)))
        .collect();
    matched.sort_by_key(|(rank, ..)| *rank);
    matched.into_iter().map(|(_, id, score)| (id, score)).collect()
}

#[tokio::test]
async fn rows_with_a_vector_of_their_own_are_matched_where_they_are_told() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        let text = label::Column::Text;
        let english = "to_tsvector('english', text)";
        let simple = "to_tsvector('simple', text)";
        for (full_text, document, query, normalization) in [
            (
                FullText::all("lighthouse").on_text(text),
                english,
                "plainto_tsquery('english', 'lighthouse')",
                0,
            ),
            (
                FullText::all("lighthouse").on_text(text).language("simple"),
                simple,
                "plainto_tsquery('simple', 'lighthouse')",
                0,
            ),
            (
                FullText::all("leuchtturm").on_text(text).language("german"),
                "to_tsvector('german', text)",
                "plainto_tsquery('german', 'leuchtturm')",
                0,
            ),
            (
                FullText::all("lighthouse").on(Expr::col("words")).language("simple"),
                "words",
                "plainto_tsquery('simple', 'lighthouse')",
                0,
            ),
            (
                FullText::tsquery("light:* & !keeper").on_text(text),
                english,
                "to_tsquery('english', 'light:* & !keeper')",
                0,
            ),
            (
                FullText::phrase("a lighthouse keeper").on_text(text),
                english,
                "phraseto_tsquery('english', 'a lighthouse keeper')",
                0,
            ),
            (
                FullText::any("Who keeps a lighthouse, and of what?").on_text(text),
                english,
                "to_tsquery('english', 'keep | lighthouse')",
                1,
            ),
            (
                FullText::all("lighthouse").on_text(text).normalization(2),
                english,
                "plainto_tsquery('english', 'lighthouse')",
                2,
            ),
        ] {
            let expected = matching(&test, document, query, normalization).await?;
            assert!((1..=3).contains(&expected.len()), "{query}: {expected:?}");
            for search in [
                label::Entity::search([1.0, 0.5, 0.0]),
                label::Entity::search([1.0, 0.5, 0.0]).exact(),
            ] {
                let hits = search.hybrid(full_text.clone()).all(&test.db).await?;
                assert_eq!(hits.len(), 5, "all that have a vector");
                assert_eq!(matched(&hits), expected, "{full_text:?}");
            }
        }
        let long = matching(&test, english, "plainto_tsquery('english', 'lighthouse')", 0).await?;
        let short = matching(&test, english, "plainto_tsquery('english', 'lighthouse')", 2).await?;
        assert_ne!(long[0].0, short[0].0, "lengths make no difference");
        let refused = label::Entity::search([1.0, 0.5, 0.0])
            .hybrid(FullText::tsquery("light &").on_text(text))
            .all(&test.db)
            .await
            .unwrap_err();
        assert!(DbErr::from(refused).to_string().contains("in tsquery"));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_column_of_the_source_is_matched_for_its_chunks() {
    on_catalog(Catalog::Ours, async |test| {
        filled(&test).await?;
        let hits = passage::Entity::search([3.0, 2.0, 1.0])
            .filter(passage::Column::Tenant.ne("a"))
            .hybrid(
                FullText::websearch("a3 or b2 or c5")
                    .on_text(passage::Column::Title)
                    .language("simple"),
            )
            .all(&test.db)
            .await?;
        let mut titles: Vec<_> = hits
            .iter()
            .filter(|hit| hit.text_rank.is_some())
            .map(|hit| hit.source.title.as_str())
            .collect();
        titles.sort_unstable();
        let embedded: i64 = test
            .value(
                "select count(distinct number) from passages_embedding_store where (tenant, number) in (('b', 2), \
                ('c', 5))",
            )
            .await?;
        assert_eq!(titles, &["b2", "c5"][..usize::try_from(embedded)?]);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_nul_is_refused_where_it_is() {
    on_catalog(Catalog::Ours, async |test| {
        create(&test).await?;
        let search = || label::Entity::search([1.0, 0.0, 0.0]);
        let refused = search()
            .hybrid(FullText::websearch("light\0house").on_text(label::Column::Text))
            .all(&test.db)
            .await
            .unwrap_err();
        assert!(matches!(refused, SearchError::Nul { position: 5 }), "{refused}");
        Ok(())
    })
    .await;
}

/// Whatever a text is made of, its words are looked for and nothing else is read into it.
#[tokio::test]
async fn any_word_of_any_text_is_matched() {
    on_both_catalogs(async |test| {
        labels(&test).await?;
        test.execute(
            r"truncate labels;
             insert into labels (id, text, embedding) values
                 (1, 'a lantern', '[1,0,0]'), (2, 'O''Brien''s keeper', '[1,1,0]'),
                 (3, 'http://a.b/c?d=''e''\f', '[0,0,1]'),
                 (4, 'no such thing', '[0,1,1]')",
        )
        .await?;
        let cases: [(&str, &str, &[i32]); 12] = [
            ("Which lantern does a keeper have?", "english", &[1, 2]),
            ("O'Brien", "simple", &[2]),
            ("'lantern' | ''keeper'", "english", &[1, 2]),
            ("!lantern & (keeper", "english", &[1, 2]),
            ("lantern:*ABC <-> \\' \\\\keeper\\", "english", &[1, 2]),
            ("light\0house lantern\0", "english", &[1]),
            ("http://a.b/c?d='e'\\f", "simple", &[3]),
            ("the of a and", "english", &[]),
            ("'\"\\ | & ! ( ) :* <->", "english", &[]),
            ("\u{1f5fc} \u{7f} \n\t", "english", &[]),
            ("", "english", &[]),
            ("\0", "english", &[]),
        ];
        for (asked, language, expected) in cases {
            for backslashes in ["on", "off"] {
                let transaction = test.db.begin().await?;
                transaction
                    .execute_unprepared(&format!("set local standard_conforming_strings = {backslashes}"))
                    .await?;
                let text = FullText::any(asked).on_text(label::Column::Text).language(language);
                let hits = label::Entity::search([1.0, 0.5, 0.0])
                    .hybrid(text)
                    .all(&transaction)
                    .await?;
                let mut ids: Vec<_> = matched(&hits).into_iter().map(|(id, _)| id).collect();
                ids.sort_unstable();
                assert_eq!(ids, expected, "{asked:?} in {language}");
                assert_eq!(hits.len(), 4, "all that have a vector");
            }
        }
        Ok(())
    })
    .await;
}

/// However often one of them is there.
#[tokio::test]
async fn more_of_the_words_rank_higher_than_one_of_them_often() {
    on_both_catalogs(async |test| {
        labels(&test).await?;
        test.execute(
            "truncate labels;
             insert into labels (id, text, embedding) values
                 (1, 'a lantern, a lantern, a lantern, a lantern and another lantern', '[1,0,0]'),
                 (2, 'a keeper of things, who has for each of them a place, and for the lantern two', '[1,1,0]')",
        )
        .await?;
        let text = FullText::any("which lantern has the keeper?").on_text(label::Column::Text);
        let hits = label::Entity::search([1.0, 0.5, 0.0])
            .hybrid(text)
            .all(&test.db)
            .await?;
        let ids: Vec<_> = matched(&hits).into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, [2, 1]);
        Ok(())
    })
    .await;
}

/// Any word is looked for through the index on the text.
#[tokio::test]
async fn an_index_serves_any_word() {
    on_catalog(Catalog::Ours, async |test| {
        labels(&test).await?;
        test.execute(
            "truncate labels;
             insert into labels (id, text, embedding) select i, 'word' || i, '[1,0,0]' from generate_series(1, 5000) i;
             alter table labels add words tsvector generated always as (to_tsvector('simple', text)) stored",
        )
        .await?;
        let manager = SchemaManager::new(&test.db);
        let create = CreateTextIndex::new("labels", "text").language("english");
        manager.create_text_index(create.name("words_of_labels")).await?;
        let create = CreateTextIndex::on_tsvector("labels", "words").if_not_exists(true);
        for _ in 0..2 {
            manager.create_text_index(create.clone()).await?;
        }
        test.execute("analyze labels").await?;
        let words = || FullText::any("word17 or word18?");
        for (text, index) in [
            (words().on_text(label::Column::Text), "words_of_labels"),
            (words().language("simple").on(Expr::cust("words")), "labels_words_gin"),
        ] {
            let search = label::Entity::search([1.0, 0.5, 0.0]).hybrid(text);
            let explained = search.explain(&test.db).await?;
            assert!(explained.plan().contains(index), "{explained}");
        }
        let twice = manager
            .create_text_index(CreateTextIndex::on_tsvector("labels", "words"))
            .await;
        assert!(twice.unwrap_err().to_string().contains("already exists"));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_text_with_more_words_than_fit_hides_no_other() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        test.execute(
            "alter table labels drop column words;
             insert into labels (id, text, embedding)
             select 7, string_agg(substr(md5(i::text), 1, 7), ' '), '[1,0,0]' from generate_series(1, 190000) i;
             insert into labels (id, text, embedding)
             select 8, string_agg(md5(i::text), '-'), '[1,0,0]' from generate_series(1, 40000) i",
        )
        .await?;
        let text = FullText::websearch("lighthouse").on_text(label::Column::Text);
        let hits = label::Entity::search([1.0, 0.0, 0.0])
            .limit(3)
            .hybrid(text)
            .all(&test.db)
            .await?;
        assert!(hits.iter().any(|hit| hit.text_rank.is_some()), "{hits:?}");
        Ok(())
    })
    .await;
}
