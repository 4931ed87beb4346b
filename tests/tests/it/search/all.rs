//! One box over several entities.

use std::sync::Arc;

use pgai_sea::Embedders;
use pgai_sea::prelude::*;
use pgai_sea::rerank::{RerankError, Reranker};
use pgai_sea::search::{FusedHit, Hits, SearchAll};
use pgai_sea::testing::{Failure, FakeEmbedder, embed_all};
use pgai_sea_tests::{TestDatabase, TestResult, on_both_catalogs};
use sea_orm::TransactionTrait;

mod ticket {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "tickets")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[vectorizer(dimensions = 32)]
        pub body: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Another model, with other vectors.
mod article {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "articles")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[vectorizer(dimensions = 64)]
        pub body: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

#[derive(Clone, Debug, PartialEq)]
enum Found {
    Ticket(HitWithSource<i32, ticket::Model>),
    Passage(Hit<i32>),
    Article(HitWithSource<i32, article::Model>),
}

impl Found {
    fn name(&self) -> String {
        match self {
            Self::Ticket(hit) => format!("t{}", hit.source.id),
            Self::Passage(hit) => format!("p{}", hit.embedding.source_key),
            Self::Article(hit) => format!("a{}", hit.source.id),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Ticket(hit) => hit.embedding.chunk.clone(),
            Self::Passage(hit) => hit.embedding.chunk.clone(),
            Self::Article(hit) => hit.embedding.chunk.clone(),
        }
    }
}

const QUESTION: &str = "the lamp of the lighthouse";

async fn desk(
    test: &TestDatabase,
) -> Result<(Embedders, Arc<FakeEmbedder>, Arc<FakeEmbedder>), Box<dyn std::error::Error + Send + Sync>> {
    test.execute(
        "create table tickets (id int primary key, body text not null);
         create table articles (id int primary key, body text not null);
         select ai.create_vectorizer('tickets', loading => ai.loading_column('body'),
            embedding => ai.embedding_ollama('small', 32));
         select ai.create_vectorizer('articles', loading => ai.loading_column('body'),
            embedding => ai.embedding_ollama('large', 64));
         insert into tickets select i, 'ticket ' || i || case when i % 3 = 0 then ' about the lamp' else ' on rope' end
            from generate_series(1, 30) i;
         insert into articles select i, 'article ' || i || case when i % 4 = 0 then ' of the lighthouse' else ' on \
         bread' \
         end from generate_series(1, 20) i",
    )
    .await?;
    let (small, large) = (Arc::new(FakeEmbedder::new(32)), Arc::new(FakeEmbedder::new(64)));
    embed_all(&test.db, &*small).await?;
    let embedders = Embedders::new()
        .embedder("ollama", "small", Arc::clone(&small) as Arc<dyn Embedder>)
        .embedder("ollama", "large", Arc::clone(&large) as Arc<dyn Embedder>);
    Ok((embedders, small, large))
}

fn names(hits: &Hits<FusedHit<Found>>) -> Vec<String> {
    hits.iter().map(|hit| hit.hit.name()).collect()
}

#[tokio::test]
async fn hits_are_fused_by_their_ranks() {
    on_both_catalogs(async |test| {
        let (embedders, ..) = desk(&test).await?;
        let tickets = || ticket::Entity::search_text(&embedders, QUESTION);
        let articles = || article::Entity::search_text(&embedders, QUESTION);
        let passages = || ticket::body_embeddings::Entity::search_text(&embedders, QUESTION).max_distance(0.8);
        // one after the other, by hand
        let by_hand = |weight: f64, hits: Vec<Found>| -> Vec<(f64, String)> {
            let ranked = hits.into_iter().zip(1_u32..);
            ranked
                .map(|(hit, rank)| (weight / (60.0 + f64::from(rank)), hit.name()))
                .collect()
        };
        let of = |hits: Hits<HitWithSource<i32, ticket::Model>>| hits.into_iter().map(Found::Ticket).collect();
        let mut expected = by_hand(1.0, of(tickets().limit(12).all(&test.db).await?));
        let hits = passages().limit(12).all(&test.db).await?;
        expected.extend(by_hand(0.99, hits.into_iter().map(Found::Passage).collect()));
        let hits = articles().limit(12).all(&test.db).await?;
        expected.extend(by_hand(1.0, hits.into_iter().map(Found::Article).collect()));
        expected.sort_by(|a, b| b.0.total_cmp(&a.0));
        let expected: Vec<_> = expected.into_iter().map(|(_, name)| name).collect();

        let all = || {
            SearchAll::new()
                .add(tickets(), Found::Ticket)
                .add_weighted(0.99, passages(), Found::Passage)
                .add(articles().limit(1).offset(7), Found::Article) // which the box decides
        };
        let hits = all().limit(12).all(&test.db).await?;
        assert_eq!(names(&hits), expected[..12]);
        assert_eq!((hits[0].rank, hits[0].search, hits.missing()), (1, 0, 0));
        let page = all().page(1, 6).all(&test.db).await?;
        assert_eq!(names(&page), expected[6..12]);
        assert_eq!(names(&all().clone().limit(3).all(&test.db).await?), expected[..3]);
        // in a transaction, which has one connection
        let transaction = test.db.begin().await?;
        assert_eq!(names(&all().limit(12).all(&transaction).await?), expected[..12]);
        transaction.commit().await?;
        assert!(all().limit(0).all(&test.db).await?.is_empty());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_question_is_embedded_once_for_each_model() {
    on_both_catalogs(async |test| {
        let (embedders, small, large) = desk(&test).await?;
        let asked = |embedder: &FakeEmbedder, text: &str| {
            let requests = embedder.requests();
            requests.iter().filter(|request| request.texts == [text]).count()
        };
        let box_of = |question: &'static str| {
            SearchAll::new()
                .add(ticket::Entity::search_text(&embedders, question), Found::Ticket)
                .add(
                    ticket::body_embeddings::Entity::search_text(&embedders, question),
                    Found::Passage,
                )
                .add(article::Entity::search_text(&embedders, question), Found::Article)
        };
        let _ = box_of("first").all(&test.db).await?;
        let _ = box_of("first").page(1, 5).all(&test.db).await?;
        ticket::Entity::search_text(&embedders, "first").count(&test.db).await?;
        assert_eq!((asked(&small, "first"), asked(&large, "first")), (1, 1));

        // a failure is not remembered
        small.fail_next(Failure::Timeout);
        assert!(box_of("second").all(&test.db).await.is_err());
        let _ = box_of("second").all(&test.db).await?;
        assert_eq!((asked(&small, "second"), asked(&large, "second")), (2, 1));

        // many at once
        let searches = (0..8).map(|_| ticket::Entity::search_text(&embedders, "third").all(&test.db));
        for found in futures::future::join_all(searches).await {
            assert!(!found?.is_empty());
        }
        assert_eq!(asked(&small, "third"), 1);

        // an embedder of one's own, which remembers nothing, and embedders that are told not to
        let own = SearchAll::new()
            .add(ticket::Entity::search_text(&*small, "fourth"), Found::Ticket)
            .add(
                ticket::body_embeddings::Entity::search_text(&*small, "fourth"),
                Found::Passage,
            );
        let _ = own.all(&test.db).await?;
        assert_eq!(asked(&small, "fourth"), 1);
        let forgetful = embedders.clone().remember_queries(0);
        for _ in 0..2 {
            let _ = ticket::Entity::search_text(&forgetful, "fifth").all(&test.db).await?;
        }
        assert_eq!(asked(&small, "fifth"), 2);
        Ok(())
    })
    .await;
}

/// Scores by how often a passage has the letter.
#[derive(Debug)]
struct Letter(char);

#[async_trait::async_trait]
impl Reranker for Letter {
    async fn rerank(&self, _: &str, passages: &[&str]) -> Result<Vec<f32>, RerankError> {
        if self.0 == '!' {
            return Err(RerankError::new("the model is asleep"));
        }
        let count = |passage: &&str| f32::from(u16::try_from(passage.matches(self.0).count()).unwrap());
        Ok(passages.iter().map(count).collect())
    }
}

#[tokio::test]
async fn a_reranker_compares_what_ranks_cannot() {
    on_both_catalogs(async |test| -> TestResult {
        let (embedders, ..) = desk(&test).await?;
        let all = || {
            SearchAll::new()
                .add(ticket::Entity::search_text(&embedders, QUESTION), Found::Ticket)
                .add(article::Entity::search_text(&embedders, QUESTION), Found::Article)
        };
        let letter = Letter('i');
        let hits = all()
            .window(30)
            .limit(50)
            .rerank(&letter, QUESTION, Found::text)
            .all(&test.db)
            .await?;
        assert_eq!(hits.len(), 50);
        assert!(hits.is_sorted_by(|a, b| a.rerank_score >= b.rerank_score));
        assert!(hits[0].rerank_score.unwrap() > hits[49].rerank_score.unwrap());

        let asleep = Letter('!');
        let error = all()
            .rerank(&asleep, QUESTION, Found::text)
            .all(&test.db)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("asleep"), "{error}");
        let kept = all()
            .rerank(&asleep, QUESTION, Found::text)
            .or_keep_order()
            .all(&test.db)
            .await?;
        assert_eq!(names(&kept), names(&all().all(&test.db).await?));
        assert_eq!(kept.kept_order(), Some("the model is asleep"));
        // the same of one search
        let one = || ticket::Entity::search_text(&embedders, QUESTION);
        let kept = one()
            .rerank(&asleep, QUESTION, |hit| hit.embedding.chunk.clone())
            .or_keep_order();
        let kept = kept.all(&test.db).await?;
        assert_eq!(kept.kept_order(), Some("the model is asleep"));
        assert!(kept.iter().all(|hit| hit.rerank_score.is_none()));
        let plain = one().all(&test.db).await?;
        assert!(
            kept.iter()
                .map(|hit| hit.source.id)
                .eq(plain.iter().map(|hit| hit.source.id))
        );
        assert_eq!(plain.kept_order(), None);
        let error = all().k(f64::NAN).all(&test.db).await.unwrap_err();
        assert!(matches!(error, SearchError::Number { setter: "k", .. }), "{error}");
        Ok(())
    })
    .await;
}
