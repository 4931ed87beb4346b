//! With embedders that refuse, lie and are bounded.

use async_trait::async_trait;

use super::*;
use crate::embedder::RequestLimits;

/// Refuses texts that contain `bad`, gives wrong vectors for some others.
#[derive(Debug)]
struct Picky;

#[async_trait]
impl Embedder for Picky {
    async fn embed(&self, texts: &[String], _: InputType) -> Result<Vec<Vec<f32>>, EmbedError> {
        assert!(texts.len() <= 4);
        if texts.iter().any(|text| text.contains("bad")) {
            return Err(EmbedError::Refused {
                provider: "picky",
                status: 400,
                message: "no".into(),
            });
        }
        Ok(texts
            .iter()
            .map(|text| match text.as_str() {
                "nan" => vec![f32::NAN, 0.0],
                "long" => vec![0.0; 3],
                _ => vec![1.0, 2.0],
            })
            .collect())
    }

    fn limits(&self) -> RequestLimits {
        RequestLimits::inputs(4).tokens(100)
    }
}

async fn embed(texts: &[&str]) -> Embedded {
    let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
    let (_running, stop) = watch::channel(false);
    let requests = Requests::new(Arc::new(Picky), "v", "p", "m", 2, 1, (None, stop));
    let known = vec![None; texts.len()];
    requests.embed(&texts, known).await
}

#[tokio::test]
async fn the_refused_text_is_found() {
    let embedded = embed(&["a", "b", "c", "bad", "d", "e", "nan", "long"]).await;
    let refused: Vec<usize> = (0..8).filter(|&text| embedded.refusals[text].is_some()).collect();
    assert_eq!(refused, [3, 6, 7]);
    assert!((0..8).all(|text| embedded.vectors[text].is_some() != embedded.refusals[text].is_some()));
    assert!(embedded.trouble.is_none());
    let wrong = embedded.refusals[7].as_deref().unwrap();
    assert!(
        wrong.contains("2 dimensions") && wrong.contains("vector of 3"),
        "{wrong}"
    );
}

#[tokio::test]
async fn where_nothing_ever_worked_the_texts_are_not_blamed() {
    for texts in [["long", "long"].as_slice(), &["bad 1", "bad 2", "bad 3", "bad 4"]] {
        let embedded = embed(texts).await;
        assert!(
            matches!(embedded.trouble, Some(Trouble::Configuration(_))),
            "{embedded:?}"
        );
        assert!(embedded.refusals.iter().all(Option::is_none));
    }
}

/// Wants to be left alone for longer than there are instants.
#[derive(Debug)]
struct Asleep;

#[async_trait]
impl Embedder for Asleep {
    async fn embed(&self, _: &[String], _: InputType) -> Result<Vec<Vec<f32>>, EmbedError> {
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
    let requests = Requests::new(Arc::new(Asleep), "v", "p", "m", 2, 1, (None, stop));
    // the second is not even sent
    for sent in [true, false] {
        let embedded = requests.embed(&["a".to_owned()], vec![None]).await;
        let Some(Trouble::Provider {
            retry_after: Some(wait),
            ..
        }) = embedded.trouble
        else {
            panic!("{embedded:?}")
        };
        assert!(wait > Duration::from_mins(59) && wait <= LONGEST_SILENCE, "{wait:?}");
        assert_eq!(wait == LONGEST_SILENCE, sent);
    }
}

/// Takes so much.
#[derive(Debug)]
struct Limited(RequestLimits);

#[async_trait]
impl Embedder for Limited {
    async fn embed(&self, _: &[String], _: InputType) -> Result<Vec<Vec<f32>>, EmbedError> {
        unreachable!()
    }

    fn limits(&self) -> RequestLimits {
        self.0
    }
}

#[test]
fn requests_are_cut_to_the_limits() {
    let texts: Vec<String> = ["x".repeat(200), "y".repeat(204), "z".repeat(1000)].into();
    let cut = |missing: &[usize], limits| requests(missing, &texts, &Limited(limits), None);
    // one text may exceed the limit by itself; that is for the provider to say
    assert_eq!(
        cut(&[0, 1, 2], RequestLimits::inputs(10).tokens(100)),
        [2..3, 1..2, 0..1]
    );
    assert_eq!(cut(&[0, 1, 2], RequestLimits::inputs(10).tokens(101)), [2..3, 0..2]);
    let bounded = Limited(RequestLimits::inputs(10).tokens(101));
    assert_eq!(requests(&[0, 1], &texts, &bounded, Some(100)), [1..2, 0..1]);
    assert_eq!(cut(&[0, 1, 2], RequestLimits::inputs(2)), [2..3, 0..2]);
    assert!(cut(&[], RequestLimits::inputs(2)).is_empty());
    let large: Vec<String> = [MOST_BYTES / 2, MOST_BYTES / 2, 1, 2 * MOST_BYTES]
        .map(|bytes| "x".repeat(bytes))
        .into();
    let unlimited = Limited(RequestLimits::inputs(10));
    assert_eq!(requests(&[0, 1, 2, 3], &large, &unlimited, None), [3..4, 2..3, 0..2]);
}
