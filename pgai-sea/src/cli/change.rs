//! `pgai-sea change`.

use std::io::Write as _;

use clap::{Args, Subcommand};

use super::CliError;
use super::database::DatabaseArgs;
use super::embedders::EmbedderArgs;
use super::worker::{Nested, nested, reference};
use crate::catalog::{self, VectorizerRef, status};
use crate::change::{self, Change, Compare, Comparison, Plan};
use crate::config::{Chunking, Embedding, Formatting, HALFVEC};
use crate::pgvector::VectorType;
use crate::pooled::Pooled;
use crate::vectorizer::ChangeVectorizer;

#[derive(Debug, Args)]
pub(super) struct ChangeCommand {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Say what a change costs: rows, chunks, tokens, price, time and disk space
    Plan {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        to: To,
        /// Rows that are looked at
        #[arg(long, value_name = "ROWS", default_value_t = 1_000)]
        sample: u32,
        /// What the provider asks for a million tokens
        #[arg(long, value_name = "PRICE")]
        price_per_million: Option<f64>,
        /// Measure the provider with a few hundred texts, which are paid for, and say how long it takes
        #[arg(long)]
        measure: bool,
        /// What the worker is told: a shorter vector of this model is the beginning of a longer one
        #[arg(long = "nested-model", value_name = "PROVIDER/MODEL", value_parser = nested)]
        nested_models: Vec<Nested>,
        #[command(flatten)]
        embedders: EmbedderArgs,
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Make a second generation beside the first, or change in place what needs none
    Start {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        to: To,
    },
    /// Say how far it is
    Status {
        #[command(flatten)]
        which: Which,
    },
    /// Compare what the two generations find
    Compare {
        #[command(flatten)]
        which: Which,
        /// Rows that each question asks for
        #[arg(short, long, default_value_t = 10)]
        k: u32,
        /// Rows of the source that are questions
        #[arg(long, value_name = "ROWS", default_value_t = 100)]
        sample: u32,
        /// A question of your own, embedded with both models; may be given several times
        #[arg(short, long = "question", value_name = "TEXT")]
        questions: Vec<String>,
        /// Fail if the mean share of rows that both find is smaller
        #[arg(long, value_name = "SHARE")]
        at_least: Option<f64>,
        #[command(flatten)]
        embedders: EmbedderArgs,
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Let the new generation answer
    CutOver {
        #[command(flatten)]
        which: Which,
        /// Even if rows wait to be embedded or an index is missing
        #[arg(long)]
        force: bool,
    },
    /// Let the generation before answer again
    RollBack {
        #[command(flatten)]
        which: Which,
    },
    /// Drop the generation before
    Finish {
        #[command(flatten)]
        which: Which,
    },
    /// Give the change up and drop the new generation
    Abort {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Debug, Args)]
struct Which {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The vectorizer, by id or name
    #[arg(short = 'i', long = "vectorizer", visible_alias = "vectorizer-id", value_name = "ID")]
    vectorizer: String,
}

/// What changes. The rest stays as it is.
#[derive(Debug, Args)]
struct To {
    /// The provider: openai, ollama, voyageai, litellm or local
    #[arg(long)]
    provider: Option<String>,
    /// The model
    #[arg(long)]
    model: Option<String>,
    /// The length of the vectors
    #[arg(long)]
    dimensions: Option<i32>,
    /// Characters in a chunk, at most
    #[arg(long)]
    chunk_size: Option<i32>,
    /// Characters that a chunk shares with the one before
    #[arg(long)]
    chunk_overlap: Option<i32>,
    /// What is embedded of a chunk and its row: '$title: $chunk'
    #[arg(long)]
    template: Option<String>,
    /// The type that vectors are stored as; those that are there are cast
    #[arg(long, value_name = "TYPE", value_parser = ["halfvec", "vector"])]
    vector_type: Option<String>,
    /// The partitions of the table of embeddings, an index each; 1: none
    #[arg(long, value_name = "NUMBER")]
    partitions: Option<i32>,
    /// The column of the key that it is partitioned by [default: the first]
    #[arg(long, value_name = "COLUMN")]
    partition_by: Option<String>,
}

impl ChangeCommand {
    #[allow(clippy::too_many_lines, reason = "one arm a step")]
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self.step {
            Step::Plan {
                which,
                to,
                sample,
                price_per_million,
                measure,
                nested_models,
                embedders,
                json,
            } => {
                let (db, vectorizer) = which.open().await?;
                let before = catalog::vectorizer(&db, vectorizer).await?;
                let embedders = embedders.embedders()?;
                let mut plan = Plan::new().sample(sample);
                if let Some(price) = price_per_million {
                    plan = plan.price_per_million(price);
                }
                for Nested { provider, model } in nested_models {
                    plan = plan.nested_model(provider, model);
                }
                if measure {
                    plan = plan.measure(&embedders);
                }
                let estimate = plan.run(&db, &to.change(&before)?).await?;
                if json {
                    print_json(&estimate)
                } else {
                    say(&estimate.to_string())
                }
            }
            Step::Start { which, to } => {
                let (db, vectorizer) = which.open().await?;
                let before = catalog::vectorizer(&db, vectorizer.clone()).await?;
                let id = change::start(&db, &to.change(&before)?).await?;
                if id == before.id {
                    return say(&format!("{}: changed in place", before.name));
                }
                say(&format!(
                    "{}: the new generation is vectorizer {id}; a worker embeds it, and `pgai-sea change status -i {}` \
                     says how far it is",
                    before.name, before.name
                ))
            }
            Step::Status { which } => {
                let (db, vectorizer) = which.open().await?;
                match change::find(&db, vectorizer).await? {
                    None => say(&format!("{}: it is not being changed", which.vectorizer)),
                    Some(change) => say(&report(&db, &change).await?),
                }
            }
            Step::Compare {
                which,
                k,
                sample,
                questions,
                at_least,
                embedders,
                json,
            } => {
                let (db, vectorizer) = which.open().await?;
                let embedders = embedders.embedders()?;
                let compare = Compare::new().k(k).sample(sample).questions(&embedders, questions);
                let compared = compare.run(&db, vectorizer).await?;
                if json {
                    print_json(&compared)?;
                } else {
                    say(&table(&compared))?;
                }
                match at_least {
                    Some(least) if compared.overlap < least => Err(CliError::Unlike {
                        overlap: compared.overlap,
                        least,
                    }),
                    _ => Ok(()),
                }
            }
            Step::CutOver { which, force } => {
                let (db, vectorizer) = which.open().await?;
                let done = if force {
                    change::cut_over_unready(&db, vectorizer).await?
                } else {
                    change::cut_over(&db, vectorizer).await?
                };
                which.say(done, "the new generation answers", "the new generation answers already")
            }
            Step::RollBack { which } => {
                let (db, vectorizer) = which.open().await?;
                let done = change::roll_back(&db, vectorizer).await?;
                which.say(
                    done,
                    "the generation before answers again",
                    "the generation before answers already",
                )
            }
            Step::Finish { which } => {
                let (db, vectorizer) = which.open().await?;
                let done = change::finish(&db, vectorizer).await?;
                which.say(done, "the generation before is dropped", "there is nothing to finish")
            }
            Step::Abort { which } => {
                let (db, vectorizer) = which.open().await?;
                let done = change::abort(&db, vectorizer).await?;
                which.say(done, "the new generation is dropped", "there is nothing to give up")
            }
        }
    }
}

impl Which {
    async fn open(&self) -> Result<(Pooled, VectorizerRef), CliError> {
        let db = self.database.connect().await?;
        if !catalog::has_catalog(&db).await? {
            return Err(CliError::NotInstalled);
        }
        Ok((db, reference(&self.vectorizer)))
    }

    fn say(&self, done: bool, then: &str, otherwise: &str) -> Result<(), CliError> {
        say(&format!("{}: {}", self.vectorizer, if done { then } else { otherwise }))
    }
}

impl To {
    fn change(&self, before: &catalog::Vectorizer) -> Result<ChangeVectorizer, CliError> {
        let mut change = ChangeVectorizer::new(before);
        if self.provider.is_some() || self.model.is_some() || self.dimensions.is_some() {
            change = change.embedding(self.embedding(&before.config.embedding)?);
        }
        if self.chunk_size.is_some() || self.chunk_overlap.is_some() {
            change = change.chunking(self.chunking(&before.config.chunking)?);
        }
        if let Some(template) = &self.template {
            change = change.formatting(Formatting::python_template(template));
        }
        if let Some(vector_type) = &self.vector_type {
            change = change.vector_type(if vector_type == HALFVEC {
                VectorType::HalfVec
            } else {
                VectorType::Vector
            });
        }
        if let Some(partitions) = self.partitions {
            change = change.partitions(partitions);
        }
        if let Some(column) = &self.partition_by {
            change = change.partition_by(column);
        }
        Ok(change)
    }

    fn embedding(&self, before: &Embedding) -> Result<Embedding, CliError> {
        let model = self.model.as_deref().unwrap_or_else(|| before.model());
        let dimensions = self.dimensions.or_else(|| before.dimensions()).unwrap_or_default();
        let mut embedding = match self.provider.as_deref() {
            None => before.clone(),
            Some("openai") => Embedding::openai(model, dimensions).into(),
            Some("ollama") => Embedding::ollama(model, dimensions).into(),
            Some("voyageai") => Embedding::voyageai(model, dimensions).into(),
            Some("litellm") => Embedding::litellm(model, dimensions).into(),
            Some("local") => Embedding::local(model, dimensions).into(),
            Some(other) => {
                return Err(CliError::Change(format!(
                    "--provider {other}: there is no such provider"
                )));
            }
        };
        let (known_model, known_dimensions) = match &mut embedding {
            Embedding::OpenAi(openai) => (&mut openai.model, &mut openai.dimensions),
            Embedding::Ollama(ollama) => (&mut ollama.model, &mut ollama.dimensions),
            Embedding::VoyageAi(voyage) => (&mut voyage.model, &mut voyage.dimensions),
            Embedding::LiteLlm(litellm) => (&mut litellm.model, &mut litellm.dimensions),
            Embedding::Local(local) => (&mut local.model, &mut local.dimensions),
            Embedding::Other(_) => {
                return Err(CliError::Change(
                    "its provider is not known here: pass --provider".to_owned(),
                ));
            }
        };
        model.clone_into(known_model);
        *known_dimensions = dimensions;
        Ok(embedding)
    }

    fn chunking(&self, before: &Chunking) -> Result<Chunking, CliError> {
        let mut chunking = before.clone();
        let (size, overlap) = match &mut chunking {
            Chunking::CharacterTextSplitter(splitter) => (&mut splitter.chunk_size, &mut splitter.chunk_overlap),
            Chunking::RecursiveCharacterTextSplitter(splitter) => {
                (&mut splitter.chunk_size, &mut splitter.chunk_overlap)
            }
            Chunking::Markdown(splitter) => (&mut splitter.chunk_size, &mut splitter.chunk_overlap),
            Chunking::Code(splitter) => (&mut splitter.chunk_size, &mut splitter.chunk_overlap),
            Chunking::None(_) | Chunking::Other(_) => {
                return Err(CliError::Change(
                    "it does not split texts: change its chunking in a migration".to_owned(),
                ));
            }
        };
        *size = self.chunk_size.or(*size);
        *overlap = self.chunk_overlap.or(*overlap);
        Ok(chunking)
    }
}

async fn report(db: &Pooled, change: &Change) -> Result<String, CliError> {
    let mut lines = Vec::new();
    for vectorizer in [&change.before, &change.new] {
        let status = status(db, vectorizer).await?;
        let answers = if vectorizer.id == change.active().id {
            ", answers"
        } else {
            ""
        };
        let pending = status
            .pending
            .map_or_else(|| "unknown".to_owned(), |pending| pending.rows.to_string());
        lines.push(format!(
            "{} (id {}): {} of {}, {pending} rows pending{answers}",
            vectorizer.name,
            vectorizer.id,
            vectorizer.config.embedding.model(),
            vectorizer.config.embedding.provider(),
        ));
    }
    lines.push(match (&change.unready, change.is_cut_over) {
        (_, true) => "next: finish, or roll-back".to_owned(),
        (None, false) => "next: compare, then cut-over".to_owned(),
        (Some(unready), false) => format!("not ready: {unready}"),
    });
    Ok(lines.join("\n"))
}

fn table(compared: &Comparison) -> String {
    let mut text = format!(
        "overlap@{} {:.3}, rank correlation {}, {} questions",
        compared.k,
        compared.overlap,
        compared
            .rank_correlation
            .map_or_else(|| "unknown".to_owned(), |correlation| format!("{correlation:.3}")),
        compared.questions
    );
    for worst in &compared.worst {
        let keys = |found: &[change::Found]| found.iter().map(|one| one.key.clone()).collect::<Vec<_>>().join(" ");
        let question: String = worst.question.split_whitespace().collect::<Vec<_>>().join(" ");
        text.push_str(&format!(
            "\n{:.2}  {}\n      before: {}\n      new:    {}",
            worst.overlap,
            question.chars().take(80).collect::<String>(),
            keys(&worst.before),
            keys(&worst.new)
        ));
    }
    text
}

fn print_json(value: &impl serde::Serialize) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, value).map_err(std::io::Error::from)?;
    Ok(writeln!(out)?)
}

fn say(text: &str) -> Result<(), CliError> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}
