//! Searching over HTTP.

use axum_search::seed;
use examples_shared::MODEL;
use pgai_sea::worker::Worker;
use pgai_sea_tests::{Catalog, TestResult, on_both_catalogs, on_catalog};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::service::{Service, model, titles};

const BREAD: &str = "Bread is patience. Wet the flour in the evening and go to bed.\n\n\
                     In the morning the dough has risen – knead it briefly, shape a loaf, and bake it until the crust \
                     is dark. \
                     Ten minutes of steam at the beginning keep the crust soft for long enough. An oven that is not \
                     hot enough \
                     makes a pale loaf, and a stone stores the heat.";
const TIDES: &str = "The sea rises and falls twice a day, pulled by the moon.";
const BIKES: &str = "A chain that skips is worn. Measure it before the cassette suffers too.";

#[tokio::test]
async fn articles_are_found_by_what_they_say_with_the_passage_that_says_it() {
    on_both_catalogs(async |test| -> TestResult {
        let service = Service::start(test).await?;
        for (title, body) in [("Flour, water, salt", BREAD), ("Tides", TIDES), ("Bicycles", BIKES)] {
            service.publish(title, body).await?;
        }
        let answer = service
            .search_indexed("how hot should the oven be for my sourdough?")
            .await?;
        assert_eq!(answer["query"], "how hot should the oven be for my sourdough?");
        assert_eq!((&answer["page"], &answer["next"]), (&json!(1), &Value::Null));
        assert_eq!(answer["indexing"], json!({"articles": 3, "indexed": 3}));
        // an article once, though it has several passages, and the others are about something else
        assert_eq!(titles(&answer), ["Flour, water, salt"]);

        let hit = &answer["hits"][0];
        let (distance, similarity) = (hit["distance"].as_f64().unwrap(), hit["similarity"].as_f64().unwrap());
        assert!((0.0..0.75).contains(&distance), "{distance}");
        assert!(
            (distance + similarity - 1.0).abs() < 1e-9,
            "{distance} and {similarity}"
        );
        assert_eq!(hit["body"], BREAD);
        let passage = &hit["passage"];
        let text = passage["text"].as_str().unwrap();
        assert!(text.contains("oven") && text.len() < BREAD.len(), "{text}");
        let (start, end) = (passage["start"].as_u64().unwrap(), passage["end"].as_u64().unwrap());
        let (start, end) = (usize::try_from(start)?, usize::try_from(end)?);
        // past a character of more than one byte
        assert!(start > BREAD.find('–').unwrap(), "{start}");
        let characters: Vec<char> = BREAD.chars().collect();
        assert_eq!(characters[start..end].iter().collect::<String>(), text);

        let answer = service.search("the history of the roman empire", 1).await?;
        assert_eq!(titles(&answer), [""; 0]);
        // nothing is near, and the least far ones are given as such
        let nearest: Vec<f64> = answer["nearest"]
            .as_array()
            .unwrap()
            .iter()
            .map(|hit| hit["distance"].as_f64().unwrap())
            .collect();
        assert!(
            nearest.len() == 3 && nearest.is_sorted() && nearest[0] >= 0.75,
            "{nearest:?}"
        );
        service.stop().await
    })
    .await;
}

#[tokio::test]
async fn vectors_words_and_both_are_compared() {
    on_both_catalogs(async |test| -> TestResult {
        let service = Service::start(test).await?;
        for (title, body) in [
            ("Flour, water, salt", BREAD),
            ("Tides", TIDES),
            ("<b>Bicycles</b>", BIKES),
        ] {
            service.publish(title, body).await?;
        }
        service.search_indexed("anything").await?;
        let response = service.get("/compare?q=a+worn+cassette").await?;
        assert_eq!(response.status(), StatusCode::OK);
        let html = response.text().await?;
        let columns: Vec<&str> = html.split("<section>").skip(1).collect();
        assert_eq!(columns.len(), 3, "{html}");
        let hits = |column: &str| column.matches("<li>").count();
        // vectors rank all articles, words find the one that has them
        assert_eq!((hits(columns[0]), hits(columns[1])), (3, 1), "{html}");
        for column in columns {
            let first = column.split("<li>").nth(1).unwrap();
            assert!(
                first.contains("&#60;b&#62;Bicycles") && first.contains("<mark>worn</mark>"),
                "{first}"
            );
        }
        assert!(html.contains("vector rank 1, word rank 1"), "{html}");
        let empty = service.get("/compare").await?;
        assert_eq!(empty.status(), StatusCode::OK);
        let long = service.get(&format!("/compare?q={}", "x".repeat(501))).await?;
        assert_eq!(long.status(), StatusCode::BAD_REQUEST);
        service.stop().await
    })
    .await;
}

#[tokio::test]
async fn searches_follow_edits_and_deletes() {
    on_both_catalogs(async |test| -> TestResult {
        let service = Service::start(test).await?;
        let id = service.publish("A thing", TIDES).await?;
        service.publish("Bicycles", BIKES).await?;
        assert_eq!(
            titles(&service.search_indexed("ebb and flow of the ocean").await?),
            ["A thing"]
        );

        let address = format!("/articles/{id}");
        let draft = json!({"title": "A thing", "body": BREAD});
        let response = service.send(Method::PUT, &address, &draft).await?;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(titles(&service.search_indexed("baking a loaf").await?), ["A thing"]);
        assert_eq!(titles(&service.search("ebb and flow of the ocean", 1).await?), [""; 0]);

        // the title is embedded with every passage
        let draft = json!({"title": "Die Gezeiten der Nordsee", "body": BREAD});
        service.send(Method::PUT, &address, &draft).await?;
        service.search_indexed("anything").await?;
        let chunks = "select count(*) from articles_embedding_store where chunk like 'Die Gezeiten%'";
        assert!(service.test.value::<i64>(chunks).await? > 1);

        service.send(Method::DELETE, &address, &Value::Null).await?;
        assert_eq!(titles(&service.search_indexed("baking a loaf").await?), [""; 0]);
        service.stop().await
    })
    .await;
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repetition() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let service = Service::start(test).await?;
        // three each at the same distance
        for number in 0..12 {
            service
                .publish("Loaf", &format!("A loaf of bread, recipe {}", number % 4))
                .await?;
        }
        let mut pages = vec![service.search_indexed("bread").await?];
        while let Some(next) = pages.last().and_then(|page| page["next"].as_u64()) {
            pages.push(service.search("bread", next).await?);
        }
        let mut found = Vec::new();
        for page in &pages {
            found.extend(page["hits"].as_array().unwrap());
        }
        assert_eq!(
            pages.iter().map(|page| titles(page).len()).collect::<Vec<_>>(),
            [5, 5, 2]
        );
        let near = |hit: &Value| (hit["distance"].as_f64().unwrap(), hit["id"].as_i64().unwrap());
        let order: Vec<_> = found.iter().map(|hit| near(hit)).collect();
        assert!(order.is_sorted(), "{order:?}");
        let mut ids: Vec<_> = order.iter().map(|(_, id)| id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 12);
        assert_eq!(titles(&service.search("bread", 4).await?), [""; 0]);
        service.stop().await
    })
    .await;
}

#[tokio::test]
async fn what_is_not_indexed_yet_is_said_and_no_passage_is_claimed() {
    on_both_catalogs(async |test| -> TestResult {
        let service = Service::without_worker(test).await?;
        let worker = Worker::new(service.test.db.clone()).embedder("ollama", MODEL, Arc::new(model()));
        let id = service.publish("Bread", BREAD).await?;
        service.publish("Tides", TIDES).await?;
        let answer = service.search("baking a loaf", 1).await?;
        assert_eq!(
            (&answer["indexing"], titles(&answer).len()),
            (&json!({"articles": 2, "indexed": 0}), 0)
        );

        worker.run_once().await?;
        let answer = service.search("baking a loaf", 1).await?;
        assert_eq!(answer["indexing"], json!({"articles": 2, "indexed": 2}));
        assert!(answer["hits"][0]["passage"].is_object());

        // found by what it said before, whose place in the new text there is none
        let draft = json!({"title": "Bread", "body": "Secret before, gone now."});
        service.send(Method::PUT, &format!("/articles/{id}"), &draft).await?;
        let answer = service.search("baking a loaf", 1).await?;
        assert_eq!(answer["indexing"], json!({"articles": 2, "indexed": 1}));
        assert_eq!(answer["hits"][0]["body"], "Secret before, gone now.");
        assert_eq!(answer["hits"][0]["passage"], Value::Null);
        assert!(!answer.to_string().contains("dough"), "{answer}");
        service.stop().await
    })
    .await;
}

#[tokio::test]
async fn a_database_that_is_gone_is_said_without_its_details() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let service = Service::without_worker(test).await?;
        service.publish("Tides", TIDES).await?;
        service.test.execute("alter table articles rename to elsewhere").await?;
        let response = service.get("/search?q=tides").await?;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let problem: Value = response.json().await?;
        assert_eq!(problem["detail"], "this should not have happened; it is in the log");
        service.test.db.clone().close().await?;
        let response = service.get("/search?q=tides").await?;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        service.stop().await
    })
    .await;
}

#[tokio::test]
async fn it_begins_with_its_articles_once() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let service = Service::without_worker(test).await?;
        let count = || service.test.value::<i64>("select count(*) from articles");
        for _ in 0..2 {
            seed::articles(&service.test.db).await?;
            assert!((30..100).contains(&count().await?));
        }
        let unfit =
            "select count(*) from articles where title ~ '[[:cntrl:]]' or body ~ '^\\s|\\s$' or length(body) < 200";
        assert_eq!(service.test.value::<i64>(unfit).await?, 0);
        service.stop().await
    })
    .await;
}
