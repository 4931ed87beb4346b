//! What a change costs, said before.

use std::error::Error;
use std::process::{Command, Stdio};
use std::sync::Arc;

use pgai_sea::change::{self, Plan};
use pgai_sea::config::{Chunking, Embedding, Formatting, Processing};
use pgai_sea::embedder::{Embedder, OpenAi};
use pgai_sea::{ChangeVectorizer, Embedders};
use pgai_sea_tests::{Catalog, on_both_catalogs, on_catalog};
use tokio::task::spawn_blocking;

use super::support::{Models, POSTS};

/// Texts of very different lengths.
fn essays(rows: u32) -> String {
    format!(
        "
    create table essays (tenant int, id int, title text, body text, stars numeric, primary key (tenant, id));
    insert into essays
    select i % 3, i, 'Essay ' || i, (select string_agg(substr(md5(i::text || j), 1, 1 + j % 7), ' ')
        from generate_series(1, 5 + (i * 7919) % 100) j), i / 2.0
    from generate_series(1, {rows}) i;
    insert into essays values (9, 9, 'empty', '', 1), (9, 10, 'none', null, 1);
    select ai.create_vectorizer('essays', name => 'essays', loading => ai.loading_column('body'),
        embedding => ai.embedding_openai('text-embedding-3-small', 8),
        formatting => ai.formatting_python_template('$title ($stars): $chunk'))"
    )
}

#[tokio::test]
async fn tokens_and_chunks_are_those_that_are_paid() {
    on_both_catalogs(async |test| {
        // counting tokens takes long where nothing is optimised
        let rows = if test.catalog == Catalog::Ours { 1_000 } else { 40 };
        test.execute(&essays(rows)).await?;
        let chunking = Chunking::recursive_character_text_splitter()
            .chunk_size(300)
            .chunk_overlap(30);
        let change = ChangeVectorizer::new("essays")
            .embedding(Embedding::openai("text-embedding-3-large", 12))
            .chunking(chunking.clone());
        let estimate = Plan::new()
            .sample(300)
            .price_per_million(0.13)
            .run(&test.db, &change)
            .await?;
        // as the worker does it, for all rows
        let counting = OpenAi::new("text-embedding-3-large", 12);
        let texts: Vec<String> = test
            .values("select json_build_array(title, stars::text, body)::text from essays where body <> ''")
            .await?;
        let splits = chunking.clone();
        let count = move || -> Result<(u32, u32), Box<dyn Error + Send + Sync>> {
            let (mut chunks, mut tokens) = (0, 0);
            for row in &texts {
                let (title, stars, body): (String, String, String) = serde_json::from_str(row)?;
                for chunk in Chunking::from(splits.clone()).split(&body)? {
                    chunks += 1;
                    tokens += u32::try_from(counting.count_tokens(&format!("{title} ({stars}): {chunk}")))?;
                }
            }
            Ok((chunks, tokens))
        };
        let (chunks, tokens) = spawn_blocking(count).await??;
        let off =
            |estimate: u64, real: u32| (f64::from(u32::try_from(estimate).unwrap()) / f64::from(real) - 1.0).abs();
        assert_eq!(estimate.rows, u64::from(rows));
        let looked_at = if rows == 1_000 { 200..400 } else { 40..41 };
        assert!(looked_at.contains(&estimate.sample), "{estimate:?}");
        assert!(off(estimate.tokens, tokens) < 0.05, "{tokens} tokens: {estimate:?}");
        assert!(off(estimate.chunks, chunks) < 0.05, "{chunks} chunks: {estimate:?}");
        assert!(estimate.needs_generation && estimate.is_counted && estimate.copied == 0);
        let price = f64::from(u32::try_from(estimate.tokens)?) * 0.13 / 1e6;
        assert!((estimate.price.unwrap() - price).abs() < 1e-9);

        // a sample of all is no estimate
        let exact = Plan::new().sample(rows).run(&test.db, &change).await?;
        assert_eq!((exact.tokens, exact.chunks), (tokens.into(), chunks.into()));
        let in_place = ChangeVectorizer::new("essays").processing(Processing::batches().batch_size(7));
        let nothing = Plan::new().run(&test.db, &in_place).await?;
        assert!(!nothing.needs_generation && nothing.tokens == 0, "{nothing:?}");
        assert_eq!(nothing.to_string(), "no vector changes: it is changed in place");
        Ok(())
    })
    .await;
}

/// The chunk size stays, and the template says the same of all rows but one in a hundred.
#[tokio::test]
async fn what_is_copied_is_not_in_the_price() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(POSTS).await?;
        let models = Models::new();
        models.run(&test).await;
        let template = ChangeVectorizer::new("posts").formatting(Formatting::python_template("${title}: $chunk"));
        test.execute("update posts set title = 'another' where id in (7, 8, 9)")
            .await?;
        let estimate = Plan::new().run(&test.db, &template).await?;
        assert_eq!(
            (estimate.chunks, estimate.copied, estimate.sample),
            (300, 297, 300),
            "{estimate:?}"
        );
        let texts = "to embed  3 (297 are copied: equal text, equal model)";
        assert!(estimate.to_string().contains(texts), "{estimate}");
        change::start(&test.db, &template).await?;
        let paid = models.small.paid();
        models.run(&test).await;
        // each of the three by either generation, unless one copies the other's
        assert!(
            (3..=6).contains(&(models.small.paid() - paid)),
            "{}",
            models.small.paid() - paid
        );
        // another model copies nothing
        change::abort(&test.db, "posts").await?;
        let other = ChangeVectorizer::new("posts").embedding(Embedding::ollama("other", 8));
        let embedders = Embedders::new().embedder("ollama", "other", Arc::clone(&models.other) as Arc<dyn Embedder>);
        let estimate = Plan::new().measure(&embedders).run(&test.db, &other).await?;
        assert_eq!((estimate.chunks, estimate.copied), (300, 0));
        assert!(estimate.time.is_some() && estimate.disk > 300 * 8 * 4, "{estimate:?}");
        assert_eq!(models.other.paid(), 300, "three requests of a hundred and some");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_command_says_it() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(&essays(300)).await?;
        let plan = |more: &[&str]| {
            let output = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
                .args([
                    "change",
                    "plan",
                    "-i",
                    "essays",
                    "-d",
                    &test.url,
                    "--model",
                    "text-embedding-3-large",
                ])
                .args(["--price-per-million", "0.13", "--sample", "200"])
                .args(more)
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(
                output.status.success(),
                "{said}{}",
                String::from_utf8_lossy(&output.stderr)
            );
            said
        };
        let said = plan(&[]);
        for line in [
            "rows      300 (looked at ",
            "to embed  ",
            "tokens    ",
            "price     ",
            "disk      ",
        ] {
            assert!(said.lines().any(|said| said.starts_with(line)), "{line}: {said}");
        }
        let json: serde_json::Value = serde_json::from_str(&plan(&["--json"]))?;
        assert_eq!(json["rows"], 300);
        Ok(())
    })
    .await;
}
