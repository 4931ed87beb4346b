//! With embedders that refuse, lie, break and are bounded.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use super::batching::{MOST_BYTES, divide};
use super::failure::LONGEST_WAIT;
use super::{Embedded, Provider, Requests};
use crate::config::Embedding;
use crate::embedder::{EmbedError, Embedder, Embeddings, InputType, RequestLimits};
use crate::pgvector::Dimensions;
use crate::worker::batch::stop_reason::StopReason;

/// What it is with all texts at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mood {
    #[default]
    Good,
    /// An answer that is none.
    Page,
    /// A refusal.
    No,
    /// No answer.
    Down,
}

/// Refuses texts that contain `bad`, gives wrong vectors for some others, breaks on those that contain `crash`.
#[derive(Debug, Default)]
struct Picky {
    mood: Mutex<Mood>,
    asked: Mutex<Vec<Vec<String>>>,
    /// Requests until it is in a good mood again; 0 for never.
    passes: AtomicU32,
}

#[async_trait]
impl Embedder for Picky {
    async fn embed(&self, texts: &[&str], _: InputType) -> Result<Embeddings, EmbedError> {
        assert!(texts.len() <= 4);
        let asked = texts.iter().copied().map(str::to_owned).collect();
        self.asked.lock().unwrap().push(asked);
        let provider = "picky";
        let has = |part| texts.iter().any(|text: &&str| text.contains(part));
        let mood = *self.mood.lock().unwrap();
        if self.passes.load(Ordering::Relaxed) > 0 && self.passes.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.feel(Mood::Good);
        }
        if mood == Mood::No || has("bad") {
            return Err(EmbedError::Refused {
                provider,
                status: 400,
                message: "no".into(),
            });
        }
        if mood == Mood::Page || has("odd") {
            return Err(EmbedError::Answer {
                provider,
                message: "<html>".into(),
            });
        }
        if mood == Mood::Down || has("crash") {
            return Err(EmbedError::Unavailable {
                provider,
                status: 500,
                message: "EOF".into(),
                retry_after: None,
            });
        }
        if has("fail") {
            return Err(EmbedError::Failed {
                provider,
                source: "no such token".into(),
            });
        }
        let vectors = texts.iter().map(|text| match *text {
            "nan" => vec![f32::NAN, 0.0],
            "long" => vec![0.0; 3],
            _ => vec![1.0, 2.0],
        });
        Ok(Embeddings::new(vectors.collect()))
    }

    fn limits(&self) -> RequestLimits {
        RequestLimits::inputs(4).tokens(100)
    }
}

impl Picky {
    fn feel(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn asked(&self) -> Vec<Vec<String>> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn requests(embedder: Arc<dyn Embedder>, stop: watch::Receiver<bool>) -> Requests {
    let config = Embedding::ollama("m", 2).into();
    let dimensions = Dimensions::try_from(2).unwrap();
    Requests::new(Provider::new(embedder, "v", &config, dimensions, 1, (None, stop)))
}

/// A new one, and what makes requests of it.
fn picky() -> (Arc<Picky>, Requests, watch::Sender<bool>) {
    let picky = Arc::new(Picky::default());
    let (running, stop) = watch::channel(false);
    let requests = requests(Arc::clone(&picky) as _, stop);
    (picky, requests, running)
}

async fn ask(requests: &Requests, texts: &[&str]) -> Embedded {
    let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
    let known = vec![None; texts.len()];
    requests.embed(&texts, known).await
}

async fn embed(texts: &[&str]) -> Embedded {
    let (_, requests, _running) = picky();
    ask(&requests, texts).await
}

/// The numbers of the texts that were refused.
fn refused(embedded: &Embedded) -> Vec<usize> {
    let refusals = embedded.refusals.iter().enumerate();
    refusals
        .filter_map(|(text, refusal)| refusal.as_ref().map(|_| text))
        .collect()
}

fn is_provider(embedded: &Embedded) -> bool {
    matches!(embedded.stop_reason, Some(StopReason::Provider { .. }))
}

#[tokio::test]
async fn the_refused_text_is_found() {
    let embedded = embed(&["a", "b", "c", "bad", "d", "e", "nan", "long"]).await;
    assert_eq!(refused(&embedded), [3, 6, 7]);
    assert!((0..8).all(|text| embedded.vectors[text].is_some() != embedded.refusals[text].is_some()));
    assert!(embedded.stop_reason.is_none());
    let wrong = embedded.refusals[7].as_deref().unwrap();
    assert!(
        wrong.contains("vector of 3 dimensions") && wrong.contains("configured are 2"),
        "{wrong}"
    );
}

#[tokio::test]
async fn one_text_that_breaks_an_embedder_is_found() {
    let embedded = embed(&["a", "fail", "b"]).await;
    assert_eq!(refused(&embedded), [1], "{embedded:?}");
    assert!(embedded.stop_reason.is_none());
    assert_eq!(embedded.refusals[1].as_deref(), Some("picky failed: no such token"));
}

#[tokio::test]
async fn where_nothing_ever_worked_the_texts_are_not_blamed() {
    for mood in [Mood::No, Mood::Page] {
        let (picky, requests, _running) = picky();
        picky.feel(mood);
        for texts in [["1"].as_slice(), &["1", "2", "3", "4", "5", "6"]] {
            let embedded = ask(&requests, texts).await;
            assert!(
                matches!(embedded.stop_reason, Some(StopReason::Configuration(_))),
                "{embedded:?}"
            );
            assert!(refused(&embedded).is_empty());
            assert!(picky.asked().len() <= 6, "it is not asked for every text");
        }
    }
}

#[tokio::test]
async fn refused_texts_in_front_are_blamed_though_nothing_has_worked_yet() {
    let embedded = embed(&["bad 1", "bad 2", "bad 3", "bad 4", "long", "a"]).await;
    assert_eq!(refused(&embedded), [0, 1, 2, 3, 4], "{embedded:?}");
    assert!(embedded.stop_reason.is_none());
    assert_eq!((embedded.vectors[5].as_ref().unwrap().len(), embedded.texts), (2, 1));
    let embedded = embed(&["long", "nan"]).await;
    assert_eq!(refused(&embedded), [0, 1], "{embedded:?}");
}

#[tokio::test]
async fn a_provider_that_worked_and_answers_nonsense_charges_no_text() {
    let (picky, requests, _running) = picky();
    assert!(ask(&requests, &["a"]).await.stop_reason.is_none());
    picky.feel(Mood::Page);
    for texts in [["b"].as_slice(), &["c", "d", "e", "f", "g"]] {
        let embedded = ask(&requests, texts).await;
        assert!(refused(&embedded).is_empty() && is_provider(&embedded), "{embedded:?}");
    }
    picky.feel(Mood::No);
    let embedded = ask(&requests, &["h", "i"]).await;
    assert!(refused(&embedded).is_empty(), "{embedded:?}");
    assert!(matches!(embedded.stop_reason, Some(StopReason::Configuration(_))));
}

#[tokio::test]
async fn only_texts_that_nobody_vouches_for_cost_a_request_more() {
    let (picky, requests, _running) = picky();
    ask(&requests, &["a", "b", "c", "d", "e"]).await;
    assert_eq!(picky.asked().len(), 2);
    // a text of the batch vouches for the provider
    ask(&requests, &["odd", "b", "c", "d"]).await;
    assert_eq!(
        picky.asked().concat(),
        ["odd", "b", "c", "d", "odd", "b", "odd", "b", "c", "d"]
    );
    ask(&requests, &["bad"]).await;
    assert_eq!(picky.asked(), [["bad"], ["hello world"]]);
}

#[tokio::test]
async fn one_text_that_breaks_the_provider_holds_up_no_other() {
    let (picky, requests, _running) = picky();
    let texts = ["a", "b", "crash", "c"];
    // it embeds the harmless text, so it is not down
    let embedded = ask(&requests, &texts).await;
    assert!(is_provider(&embedded), "{embedded:?}");
    assert_eq!((embedded.texts, refused(&embedded).len()), (3, 0));
    picky.asked();
    // from then on it is asked for alone, after the others, and at last found guilty
    let embedded = ask(&requests, &["crash", "d"]).await;
    assert_eq!(picky.asked(), [["d"], ["crash"]]);
    assert!(refused(&embedded).is_empty() && is_provider(&embedded), "{embedded:?}");
    let embedded = ask(&requests, &["crash", "e", "f"]).await;
    assert!(embedded.stop_reason.is_none(), "{embedded:?}");
    assert_eq!((embedded.texts, refused(&embedded)), (2, vec![0]));
}

#[tokio::test]
async fn a_text_that_breaks_the_provider_is_found_where_it_is_alone() {
    let (picky, requests, _running) = picky();
    for _ in 0..4 {
        let embedded = ask(&requests, &["crash"]).await;
        assert!(refused(&embedded).is_empty() && is_provider(&embedded), "{embedded:?}");
    }
    let embedded = ask(&requests, &["crash"]).await;
    assert!(
        embedded.stop_reason.is_none() && refused(&embedded) == [0],
        "{embedded:?}"
    );
    assert_eq!(picky.asked().len(), 5 + 3);
}

#[tokio::test]
async fn a_provider_that_is_down_is_no_texts_fault_however_long() {
    let (picky, requests, _running) = picky();
    assert!(ask(&requests, &["a"]).await.stop_reason.is_none());
    picky.feel(Mood::Down);
    picky.asked();
    for round in 0..30 {
        let texts = [["a", "b", "c", "d", "e"].as_slice(), &["a"]][round % 2];
        let embedded = ask(&requests, texts).await;
        assert!(refused(&embedded).is_empty() && is_provider(&embedded), "{embedded:?}");
        assert!(picky.asked().len() <= 3, "round {round}");
    }
    picky.feel(Mood::Good);
    for requests_made in [[5, 2].as_slice(), &[2]] {
        let embedded = ask(&requests, &["a", "b", "c", "d", "e"]).await;
        assert!(embedded.texts == 5 && embedded.stop_reason.is_none(), "{embedded:?}");
        assert!(requests_made.contains(&picky.asked().len()));
    }
    // and one that comes and goes
    for passes in 1..20 {
        picky.passes.store(passes % 3 + 1, Ordering::Relaxed);
        picky.feel(Mood::Down);
        let embedded = ask(&requests, &["a", "b", "c", "d", "e"]).await;
        assert!(refused(&embedded).is_empty(), "{embedded:?}");
    }
}

/// Wants to be left alone for longer than there are instants.
#[derive(Debug)]
struct Asleep;

#[async_trait]
impl Embedder for Asleep {
    async fn embed(&self, _: &[&str], _: InputType) -> Result<Embeddings, EmbedError> {
        Err(EmbedError::Unavailable {
            provider: "asleep",
            status: 429,
            message: "not before the sun burns out".into(),
            retry_after: Some(Duration::MAX),
        })
    }
}

#[tokio::test]
async fn a_provider_that_asks_for_ever_is_asked_again_after_an_hour() {
    let (_running, stop) = watch::channel(false);
    let requests = requests(Arc::new(Asleep), stop);
    // the second is not even sent
    for sent in [true, false] {
        let embedded = requests.embed(&["a".to_owned()], vec![None]).await;
        let Some(StopReason::Provider {
            retry_after: Some(wait),
            ..
        }) = embedded.stop_reason
        else {
            panic!("{embedded:?}")
        };
        assert!(wait > Duration::from_mins(59) && wait <= LONGEST_WAIT, "{wait:?}");
        assert_eq!(wait == LONGEST_WAIT, sent);
    }
}

/// Takes so much.
#[derive(Debug)]
struct Limited(RequestLimits);

#[async_trait]
impl Embedder for Limited {
    async fn embed(&self, _: &[&str], _: InputType) -> Result<Embeddings, EmbedError> {
        unreachable!()
    }

    fn limits(&self) -> RequestLimits {
        self.0
    }
}

#[test]
fn requests_are_divided_by_the_limits() {
    let texts: Vec<String> = ["x".repeat(200), "y".repeat(204), "z".repeat(1000)].into();
    let divided = |missing: &[usize], limits| divide(missing, &texts, &Limited(limits), None);
    // one text may exceed the limit by itself; that is for the provider to say
    assert_eq!(
        divided(&[0, 1, 2], RequestLimits::inputs(10).tokens(100)),
        [0..1, 1..2, 2..3]
    );
    assert_eq!(divided(&[0, 1, 2], RequestLimits::inputs(10).tokens(101)), [0..2, 2..3]);
    let bounded = Limited(RequestLimits::inputs(10).tokens(101));
    assert_eq!(divide(&[0, 1], &texts, &bounded, Some(100)), [0..1, 1..2]);
    assert_eq!(divided(&[0, 1, 2], RequestLimits::inputs(2)), [0..2, 2..3]);
    assert!(divided(&[], RequestLimits::inputs(2)).is_empty());
    let large: Vec<String> = [MOST_BYTES / 2, MOST_BYTES / 2, 1, 2 * MOST_BYTES]
        .map(|bytes| "x".repeat(bytes))
        .into();
    let unlimited = Limited(RequestLimits::inputs(10));
    assert_eq!(divide(&[0, 1, 2, 3], &large, &unlimited, None), [0..2, 2..3, 3..4]);
    // a quarter of their bytes in tokens would go together, but is not worth being counted
    let long: Vec<String> = vec!["x".repeat(60_000); 4];
    let limits = RequestLimits::inputs(10).tokens(150_000);
    assert_eq!(divide(&[0, 1, 2, 3], &long, &Limited(limits), None), [0..2, 2..4]);
}
