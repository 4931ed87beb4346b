//! Whether searches find what they should.
//!
//! You say which rows answer which questions. [`evaluate`] asks each question and measures the rankings, as trec_eval
//! does. [`assert_quality!`](crate::assert_quality) makes a test of it.
//!
//! ```no_run
//! # mod blog_post { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/blog_post.rs")); }
//! # async fn f(db: sea_orm::DatabaseConnection, embedder: impl pgai_sea::Embedder)
//! # -> Result<(), Box<dyn std::error::Error>> {
//! use pgai_sea::assert_quality;
//! use pgai_sea::prelude::*;
//! use pgai_sea::quality::{Judgments, evaluate};
//!
//! let judgments = Judgments::from_file("tests/judgments.toml")?;
//! let report = evaluate(&judgments, 10, async |question| {
//!     let hits = blog_post::Entity::search_text(&embedder, question).limit(10).all(&db).await?;
//!     Ok::<_, SearchError>(hits.iter().map(|hit| hit.source.id.to_string()).collect())
//! })
//! .await?;
//! println!("{report}");
//! assert_quality!(report, ndcg >= 0.8, recall >= 0.9);
//! # Ok(())
//! # }
//! ```
//!
//! | to | use |
//! |---|---|
//! | write judgments | a TOML file: [`Judgments`] |
//! | begin without judgments | [`Judgments::known_items`]: questions made of the stored texts |
//! | measure a search, an endpoint, anything that ranks keys | [`evaluate`] |
//! | compare two ways to search, with an interval | [`Report::compare`] |
//! | keep a report to compare with later | [`Report::to_json`], [`Report::from_json`] |
//! | know why a row was not found | [`evaluate_search`], [`Search::locate`](crate::search::Search::locate) |

mod evaluate;
mod judgments;
mod known_items;
mod measures;
mod random;
mod report;

pub use self::evaluate::{EvaluateError, evaluate, evaluate_search};
pub use self::judgments::{Judgments, JudgmentsError, Question};
pub use self::measures::{Measure, Measures};
pub use self::report::{Change, Comparison, Interval, QualityError, QuestionReport, Report};
