//! How well searches find what they should, on a real collection: the READMEs of the crates on this machine.
//!
//! The questions have known answers. Each is made of what a crate says of itself elsewhere than in its README, or of
//! words of the README, and the crate is its answer. Questions that name their crate are left out.

use std::collections::HashMap;

use examples_shared::{Crate, Crates};
use pgai_sea::embedder::{Embedder as _, Local};
use pgai_sea::migration::prelude::{
    Chunking, CreateVectorizer, Embedding, Loading, SchemaManager, VectorizerManagerExt as _,
};
use pgai_sea::prelude::{FullText, SearchError, SearchTrait as _};
use pgai_sea::quality::{Judgments, Measure, Report, evaluate};
use pgai_sea::search::{Ranking, Search, WithSource};
use pgai_sea::worker::Worker;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, measure_on};
use sea_orm::{DbErr, EntityTrait, IntoActiveModel};

use self::readme::chunks;

/// The crates nearest to the lock file here: the same ones wherever it is the same.
const CRATES: usize = 400;
/// At most so many questions of a kind.
const QUESTIONS: usize = 120;
const K: usize = 10;

mod readme {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    /// A crate and its README.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "readmes")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        #[vectorizer(dimensions = 384, name = "chunks")]
        pub text: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// A way to search.
struct Way {
    name: &'static str,
    ranking: fn(Vec<f32>, &str) -> Ranked,
}

/// The keys that a search finds.
enum Ranked {
    Vector(Box<Search<'static, chunks::Entity, WithSource>>),
    /// The flag leaves out what only the vectors find.
    Fused(Box<Ranking<'static, chunks::Entity, WithSource>>, bool),
}

fn nearest(vector: Vec<f32>) -> Search<'static, chunks::Entity, WithSource> {
    readme::Entity::search(vector).exact().limit(K as u64)
}

fn fused(vector: Vec<f32>, text: FullText) -> Ranking<'static, chunks::Entity, WithSource> {
    nearest(vector).hybrid(text)
}

fn hybrid(ranking: Ranking<'static, chunks::Entity, WithSource>) -> Ranked {
    Ranked::Fused(Box::new(ranking), false)
}

const WAYS: [Way; 9] = [
    Way {
        name: "vector",
        ranking: |vector, _| Ranked::Vector(Box::new(nearest(vector))),
    },
    Way {
        name: "text, any word",
        ranking: |vector, text| Ranked::Fused(Box::new(fused(vector, FullText::any(text)).weights(0.0, 1.0)), true),
    },
    Way {
        name: "text, all words",
        ranking: |vector, text| Ranked::Fused(Box::new(fused(vector, FullText::all(text)).weights(0.0, 1.0)), true),
    },
    Way {
        name: "hybrid",
        ranking: |vector, text| hybrid(fused(vector, FullText::any(text))),
    },
    Way {
        name: "hybrid, all words",
        ranking: |vector, text| hybrid(fused(vector, FullText::all(text))),
    },
    Way {
        name: "hybrid, k 10",
        ranking: |vector, text| hybrid(fused(vector, FullText::any(text)).k(10.0)),
    },
    Way {
        name: "hybrid, weights 2 1",
        ranking: |vector, text| hybrid(fused(vector, FullText::any(text)).weights(2.0, 1.0)),
    },
    Way {
        name: "hybrid, window 20",
        ranking: |vector, text| hybrid(fused(vector, FullText::any(text)).window(20)),
    },
    Way {
        name: "hybrid, window 200",
        ranking: |vector, text| hybrid(fused(vector, FullText::any(text)).window(200)),
    },
];

pub(crate) async fn quality(chunk_size: i32) {
    let model = Local::from_dir(real_parts::minilm_dir().expect("a model")).expect("a model");
    measure_on(Catalog::Ours, async |test| measure(&test, &model, chunk_size).await).await;
}

async fn measure(test: &TestDatabase, model: &Local, chunk_size: i32) -> TestResult {
    let found = Crates::find(CRATES)?;
    println!("{found}");
    store(test, model, &found.crates, chunk_size).await?;
    let kinds = questions(test, &found.crates).await?;
    let mut vectors = HashMap::new();
    for question in kinds.iter().flat_map(|(_, judgments)| &judgments.questions) {
        vectors.insert(question.text.clone(), model.embed_query(&question.text).await?);
    }
    print!("{:<22}", "nDCG@10");
    for (kind, judgments) in &kinds {
        print!("{:>20}", format!("{kind} ({})", judgments.questions.len()));
    }
    println!("   all, with 95 %            recall   ms");
    let mut first: Option<Report> = None;
    for way in &WAYS {
        print!("{:<22}", way.name);
        let mut all = Report::default();
        for (_, judgments) in &kinds {
            let report = evaluate(judgments, K, async |question| {
                keys(test, (way.ranking)(vectors[question].clone(), question)).await
            })
            .await?;
            print!("{:>20.3}", report.mean().ndcg);
            all.k = K;
            all.questions.extend(report.questions);
        }
        let mut times: Vec<f64> = all.questions.iter().map(|question| question.milliseconds).collect();
        times.sort_by(f64::total_cmp);
        println!(
            "   {}  {:.3}  {:.1}",
            all.interval(Measure::Ndcg),
            all.mean().recall,
            times[times.len() / 2]
        );
        if let Some(first) = &first {
            let comparison = all.compare(first);
            println!(
                "    to vector: {} {}",
                comparison.differences[0].0, comparison.differences[0].1
            );
        }
        first.get_or_insert(all);
    }
    Ok(())
}

async fn keys(test: &TestDatabase, ranked: Ranked) -> Result<Vec<String>, SearchError> {
    Ok(match ranked {
        Ranked::Vector(search) => {
            let hits = search.all(&test.db).await?;
            hits.iter().map(|hit| hit.source.name.clone()).collect()
        }
        Ranked::Fused(ranking, only_text) => {
            let hits = ranking.all(&test.db).await?;
            let hits = hits.iter().filter(|hit| !only_text || hit.text_rank.is_some());
            hits.map(|hit| hit.source.name.clone()).collect()
        }
    })
}

async fn store(test: &TestDatabase, model: &Local, crates: &[Crate], chunk_size: i32) -> TestResult {
    test.execute("create table readmes (name text primary key, text text not null)")
        .await?;
    let chunking = Chunking::recursive_character_text_splitter().chunk_size(chunk_size);
    SchemaManager::new(&test.db)
        .create_vectorizer(
            CreateVectorizer::new(readme::Entity)
                .loading(Loading::column("text"))
                .chunking(chunking.chunk_overlap(chunk_size / 2))
                .embedding(Embedding::ollama("all-minilm", 384)),
        )
        .await?;
    let rows = crates.iter().map(|found| {
        let row = readme::Model {
            name: found.name.clone(),
            text: found.readme.clone(),
        };
        row.into_active_model()
    });
    readme::Entity::insert_many(rows).exec(&test.db).await?;
    let worker = Worker::new(test.db.clone()).embedder("ollama", "all-minilm", std::sync::Arc::new(model.clone()));
    let report = worker.run_once().await?;
    test.execute(
        "create index on readmes_embedding_store using gin (to_tsvector('english', chunk));
         analyze readmes_embedding_store",
    )
    .await?;
    println!("{} chunks of at most {chunk_size} characters", report.chunks_written());
    Ok(())
}

/// The kinds of questions, with their answers.
async fn questions(test: &TestDatabase, crates: &[Crate]) -> Result<Vec<(&'static str, Judgments)>, DbErr> {
    let of = |question: fn(&Crate) -> Option<String>| {
        let questions = crates
            .iter()
            .filter_map(|found| Some((question(found)?, [found.name.clone()])));
        Judgments::new(questions.take(QUESTIONS))
    };
    let words = Judgments::known_items::<chunks::Entity, _>(&test.db, QUESTIONS as u64, 1).await?;
    Ok(vec![
        ("keywords", of(keywords)),
        ("description", of(description)),
        ("documentation", of(documentation)),
        ("words", words),
    ])
}

fn keywords(found: &Crate) -> Option<String> {
    let question = found.keywords.join(" ").replace('-', " ");
    (found.keywords.len() > 2 && !names(found, &question)).then_some(question)
}

fn description(found: &Crate) -> Option<String> {
    is_elsewhere(found, &found.description).then(|| found.description.clone())
}

fn documentation(found: &Crate) -> Option<String> {
    let mut paragraphs = found.docs.iter();
    paragraphs
        .find(|paragraph| is_elsewhere(found, paragraph) && **paragraph != found.description)
        .cloned()
}

/// Whether a text says something, and neither names the crate nor stands in its README.
fn is_elsewhere(found: &Crate, text: &str) -> bool {
    (40..400).contains(&text.len()) && !names(found, text) && !found.readme.contains(text)
}

fn names(found: &Crate, text: &str) -> bool {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_'], " ");
    plain(text).contains(&plain(&found.name))
}
