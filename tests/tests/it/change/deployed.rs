//! A change under load: writers and searchers go on all the while, and programs of before and after side by side.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pgai_sea::change;
use pgai_sea::config::Embedding;
use pgai_sea::prelude::*;
use pgai_sea::{ChangeVectorizer, Embedders};
use pgai_sea_tests::{Catalog, TestDatabase, on_catalog};
use tokio::task::JoinHandle;

use super::searching::{Bodies, embedders};
use super::support::{Models, POSTS, assert_made_by};

/// What goes on while the model is changed.
struct Load {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    /// A writer, a searcher that embeds with the catalog's model, and one that is bound to `model`.
    fn start(test: &TestDatabase, models: &Arc<Models>, embedders: &Embedders, model: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let rounds = Arc::new(AtomicUsize::new(0));
        let mut tasks = Vec::new();
        let (db, stopped) = (test.db.clone(), Arc::clone(&stop));
        tasks.push(tokio::spawn(async move {
            let mut round = 0;
            while !stopped.load(Ordering::Relaxed) {
                round += 1;
                let key = 250 + round % 50;
                sea_orm::ConnectionTrait::execute_unprepared(
                    &db,
                    &format!("update posts set body = 'edit {round}' where id = {key}"),
                )
                .await
                .unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        }));
        for bound in [None, Some(model)] {
            let (db, stopped, rounds) = (test.db.clone(), Arc::clone(&stop), Arc::clone(&rounds));
            let (models, embedders) = (Arc::clone(models), embedders.clone());
            tasks.push(tokio::spawn(async move {
                let mut number = 0;
                while !stopped.load(Ordering::Relaxed) {
                    number = number % 200 + 1;
                    let text = format!("T{}: text number {number}", number % 100);
                    let hits = match bound {
                        None => Bodies::search_text(&embedders, &text).limit(5).all(&db).await,
                        Some(model) => {
                            let vector = models.by_name(model).vector(&text);
                            Bodies::search(vector).model(model).limit(5).all(&db).await
                        }
                    };
                    let hits = hits.unwrap_or_else(|error| panic!("{bound:?}: {error}"));
                    assert_eq!(hits.len(), 5, "{bound:?}: a page is short");
                    // only the vector of the same model is so near
                    assert!(
                        hits[0].distance.abs() < 1e-6,
                        "{bound:?}: {} of {text}",
                        hits[0].distance
                    );
                    assert_eq!(hits[0].embedding.chunk, text);
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        Self { stop, rounds, tasks }
    }

    async fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.rounds.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn nobody_who_searches_or_writes_notices() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(POSTS).await?;
        let models = Arc::new(Models::new());
        models.run(&test).await;
        let embedders = embedders(&models);
        // another length, then the same length
        for (before, model, dimensions) in [("small", "large", 12), ("large", "small", 8), ("small", "other", 8)] {
            // the entity declares eight numbers, so only such vectors can be brought
            let bound = if before == "large" { model } else { before };
            let change = ChangeVectorizer::new("posts").embedding(Embedding::ollama(model, dimensions));
            change::start(&test.db, &change).await?;
            models.run(&test).await;
            let load = Load::start(&test, &models, &embedders, bound);
            for _ in 0..5 {
                change::cut_over_unready(&test.db, "posts").await?;
                models.run(&test).await;
                change::roll_back(&test.db, "posts").await?;
                models.run(&test).await;
            }
            change::cut_over_unready(&test.db, "posts").await?;
            let searches = load.stop().await;
            assert!(searches > 20, "{searches} searches");
            models.run(&test).await;
            change::finish(&test.db, "posts").await?;
            assert_made_by(&test, "posts_embedding_store", models.by_name(model)).await;
        }
        Ok(())
    })
    .await;
}
