//! Questions made of the stored texts, where there are no judgments yet.

use std::collections::BTreeMap;

use sea_orm::sea_query::extension::postgres::{PgBinOper, PgExpr};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, Order, Query, SelectStatement};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, Iden, QueryResult, TryGetableMany};

use super::judgments::{Judgments, Question};
use super::random::Random;
use crate::entity::{EmbeddingTrait, SourceKey};

/// How many words a question has.
const WORDS: usize = 8;
/// A text with fewer words makes no question.
const FEWEST: usize = 4;

impl Judgments {
    /// Makes up to `count` *known-item* questions: some words of a stored text, which its row answers. Other rows that
    /// have the same words are answers as well.
    ///
    /// They tell what an index, a filter or smaller chunks lose, and whether a change made it worse. They are easier
    /// than people's questions, which use other words than the text. Write them to a file with
    /// [`to_toml`](Self::to_toml), and put them in your users' words.
    ///
    /// The same `seed` makes the same questions of the same texts. Each question reads the whole table once.
    ///
    /// ```no_run
    /// # mod blog_post { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/blog_post.rs")); }
    /// # async fn f(db: sea_orm::DatabaseConnection) -> Result<(), Box<dyn std::error::Error>> {
    /// use blog_post::content_embeddings;
    /// use pgai_sea::quality::Judgments;
    ///
    /// let judgments = Judgments::known_items::<content_embeddings::Entity, _>(&db, 100, 1).await?;
    /// std::fs::write("tests/judgments.toml", judgments.to_toml())?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn known_items<E, C>(db: &C, count: u64, seed: u64) -> Result<Self, DbErr>
    where
        E: EmbeddingTrait,
        C: ConnectionTrait,
        SourceKey<E>: TryGetableMany + ToString,
    {
        let mut random = Random::new(seed);
        let mut judgments = Self::default();
        for row in db.query_all(&sample::<E>(count, seed)).await? {
            let text: String = row.try_get("", "text")?;
            let words: Vec<&str> = text.split_whitespace().collect();
            if words.len() < FEWEST {
                continue;
            }
            let start = random.below((words.len() + 1).saturating_sub(WORDS));
            let chosen = &words[start..words.len().min(start + WORDS)];
            let question = chosen.join(" ");
            let known = judgments.questions.iter().any(|known| known.text == question);
            let answers = db.query_all(&with_words::<E>(chosen)).await?;
            let grades: Result<BTreeMap<_, _>, DbErr> =
                answers.iter().map(|row| Ok((key::<E>(row)?.to_string(), 1))).collect();
            let grades = grades?;
            if !known && !grades.is_empty() {
                judgments.questions.push(Question { text: question, grades });
            }
        }
        Ok(judgments)
    }
}

/// The column of the texts: of the chunks, or of the rows that have a vector of their own.
fn text_column<E: EmbeddingTrait>() -> Expr {
    let name = E::chunk_column().map_or_else(
        || Iden::to_string(&E::source_column()),
        |column| Iden::to_string(&column),
    );
    Expr::col((E::default(), Alias::new(name)))
}

/// Texts in an order that the seed decides.
fn sample<E: EmbeddingTrait>(count: u64, seed: u64) -> SelectStatement {
    let text = text_column::<E>();
    Query::select()
        .distinct()
        .expr_as(text.clone(), "text")
        .expr_as(
            Func::md5(text.clone().concatenate(Expr::val(seed.to_string()))),
            "shuffled",
        )
        .from(E::default().table_ref())
        .and_where(E::embedding_column().is_not_null())
        .and_where(text.is_not_null())
        .order_by("shuffled", Order::Asc)
        .limit(count)
        .take()
}

/// The keys of the rows with a text that has these words in this order.
fn with_words<E: EmbeddingTrait>(words: &[&str]) -> SelectStatement {
    // between words may be any white space
    let pattern: Vec<String> = words.iter().map(|word| literal(word)).collect();
    let mut select = Query::select();
    select.distinct().from(E::default().table_ref());
    for column in E::key_columns() {
        select.column((E::default(), column));
    }
    select.and_where(text_column::<E>().binary(PgBinOper::Regex, pattern.join("\\s+")));
    select.take()
}

/// A regular expression of PostgreSQL that means these characters.
fn literal(text: &str) -> String {
    let escaped = |c: char| {
        if c.is_alphanumeric() || !c.is_ascii() {
            vec![c]
        } else {
            vec!['\\', c]
        }
    };
    text.chars().flat_map(escaped).collect()
}

fn key<E: EmbeddingTrait>(row: &QueryResult) -> Result<SourceKey<E>, DbErr>
where
    SourceKey<E>: TryGetableMany,
{
    let names: Vec<_> = E::key_columns()
        .into_iter()
        .map(|column| Iden::to_string(&column))
        .collect();
    Ok(SourceKey::<E>::try_get_many(row, "", &names)?)
}
