//! What neighbours add to a search, and what one box over three tables takes beside the slowest of its searches.

use std::time::Instant;

use pgai_sea::prelude::*;
use pgai_sea::search::SearchAll;
use pgai_sea_tests::corpus::article;
use pgai_sea_tests::{TestDatabase, TestResult};
use sea_orm::{ConnectOptions, Database, DatabaseConnection};

/// A table of rows with four chunks each.
macro_rules! table {
    ($module:ident, $name:literal) => {
        #[allow(unreachable_pub, dead_code, reason = "what the derives write")]
        mod $module {
            use pgai_sea::Vectorizer;
            use sea_orm::entity::prelude::*;

            #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
            #[sea_orm(table_name = $name)]
            pub struct Model {
                #[sea_orm(primary_key)]
                pub id: i32,
                #[vectorizer(dimensions = 384, name = "embeddings")]
                pub body: String,
            }

            #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
            pub enum Relation {}

            impl ActiveModelBehavior for ActiveModel {}
        }
    };
}

table!(note, "notes");
table!(comment, "comments");

type Articles = article::embeddings::Entity;
type Notes = note::embeddings::Entity;
type Comments = comment::embeddings::Entity;

pub(crate) async fn run(test: &TestDatabase, queries: &[Vec<f32>]) -> TestResult {
    for table in ["notes", "comments"] {
        test.execute(&format!(
            "create table {table} (id int primary key, body text not null);
             select ai.create_vectorizer('{table}', loading => ai.loading_column('body'),
                 embedding => ai.embedding_ollama('none', 384));
             insert into {table} select id, body from articles where id % 4 = 0;
             insert into {table}_embedding_store (id, chunk_seq, chunk, embedding)
                 select (id + 3) / 4 * 4, (id + 3) % 4, chunk, embedding from articles_embedding_store;
             set maintenance_work_mem = '512MB';
             create index on {table}_embedding_store using hnsw (embedding vector_cosine_ops);
             reset maintenance_work_mem"
        ))
        .await?;
        test.execute(&format!("vacuum analyze {table}")).await?;
        test.execute(&format!("vacuum analyze {table}_embedding_store")).await?;
    }
    let options = ConnectOptions::new(&test.url)
        .min_connections(3)
        .max_connections(3)
        .sqlx_logging(false)
        .to_owned();
    let db = Database::connect(options).await?;
    neighbours(&db, queries).await?;
    one_box(&db, queries).await?;
    db.close().await?;
    Ok(())
}

/// Ten hits of rows with four chunks, without and with the chunk before and after.
async fn neighbours(db: &DatabaseConnection, queries: &[Vec<f32>]) -> TestResult {
    let (mut alone, mut with) = (Vec::new(), Vec::new());
    for (i, query) in queries.iter().cycle().enumerate().take(10 * queries.len()) {
        for turn in [i % 2, 1 - i % 2] {
            let search = Notes::search(query.clone()).limit(10);
            let start = Instant::now();
            if turn == 0 {
                assert_eq!(search.all(db).await?.len(), 10);
                alone.push(start.elapsed());
            } else {
                let hits = search.with_neighbours(1, 1).all(db).await?;
                with.push(start.elapsed());
                assert!(hits.len() == 10 && hits.iter().all(|hit| !hit.embedding.neighbours.is_empty()));
            }
        }
    }
    let more: Vec<f64> = alone
        .iter()
        .zip(&with)
        .map(|(alone, with)| millis(*with) - millis(*alone))
        .collect();
    println!(
        "\nneighbours of ten hits: {:.2} ms without, {:.2} ms with; {:.2} ms more, the median of {} pairs",
        median(alone.into_iter().map(millis).collect()),
        median(with.into_iter().map(millis).collect()),
        median(more.clone()),
        more.len()
    );
    Ok(())
}

/// The three searches one by one, and as one box.
async fn one_box(db: &DatabaseConnection, queries: &[Vec<f32>]) -> TestResult {
    let (mut slowest, mut sum, mut all, mut ratios) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (i, query) in queries.iter().cycle().enumerate().take(10 * queries.len()) {
        let searches = || {
            (
                Articles::search(query.clone()).limit(10),
                Notes::search(query.clone()).limit(10),
                Comments::search(query.clone()).limit(10),
            )
        };
        let mut one_by_one = Vec::new();
        let mut together = 0.0;
        for turn in [i % 2, 1 - i % 2] {
            let (articles, notes, comments) = searches();
            if turn == 0 {
                let start = Instant::now();
                let _hits = articles.all(db).await?;
                one_by_one.push(millis(start.elapsed()));
                let start = Instant::now();
                let _hits = notes.all(db).await?;
                one_by_one.push(millis(start.elapsed()));
                let start = Instant::now();
                let _hits = comments.all(db).await?;
                one_by_one.push(millis(start.elapsed()));
            } else {
                let start = Instant::now();
                let hits = SearchAll::new()
                    .add(articles, |hit| hit.embedding.source_key)
                    .add(notes, |hit| hit.embedding.source_key)
                    .add(comments, |hit| hit.embedding.source_key)
                    .all(db)
                    .await?;
                together = millis(start.elapsed());
                assert_eq!(hits.len(), 10);
            }
        }
        let worst = one_by_one.iter().copied().fold(0.0, f64::max);
        ratios.push(together / worst);
        slowest.push(worst);
        sum.push(one_by_one.iter().sum());
        all.push(together);
    }
    println!(
        "one box over three tables: {:.2} ms, its slowest search alone {:.2} ms, the three one after the other {:.2} \
         ms; {:.2} times the slowest, the median of {}, with {} processors",
        median(all),
        median(slowest),
        median(sum),
        median(ratios.clone()),
        ratios.len(),
        std::thread::available_parallelism()?
    );
    Ok(())
}

fn millis(time: std::time::Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
