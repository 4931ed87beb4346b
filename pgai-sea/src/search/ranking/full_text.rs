//! What a full-text search looks for, and where.

use sea_orm::sea_query::{BinOper, Expr, ExprTrait, Func, FunctionCall};
use sea_orm::{ColumnTrait, IntoSimpleExpr};

use super::statement::Matching;
use crate::entity::EmbeddingTrait;
use crate::search::error::SearchError;
use crate::sql::quote_literal;

/// What is searched.
#[derive(Clone, Debug)]
enum Document {
    Chunks,
    Text(Expr),
    Vector(Expr),
}

/// PostgreSQL's full-text search, as one half of a hybrid one.
///
/// It searches the text of the chunks, and an index makes that fast:
/// `CREATE INDEX ON blog_posts_embedding_store USING gin (to_tsvector('english', chunk))`. An entity whose vector is a column of
/// its own has no chunks; [`on`](Self::on) says where its text is.
#[derive(Clone, Debug)]
#[must_use]
pub struct FullText {
    parser: &'static str,
    query: String,
    language: String,
    document: Document,
    normalization: i32,
}

impl FullText {
    /// What people type into a search box: words that all have to be there, `"a phrase"`, `or`, and `-without`
    /// (`websearch_to_tsquery`). Nothing that can be typed is an error; a NUL is refused, as PostgreSQL has no text with one.
    pub fn websearch(query: impl Into<String>) -> Self {
        Self::parsed_by("websearch_to_tsquery", query)
    }

    /// Words that all have to be there (`plainto_tsquery`).
    pub fn plain(query: impl Into<String>) -> Self {
        Self::parsed_by("plainto_tsquery", query)
    }

    /// Words that have to follow each other (`phraseto_tsquery`).
    pub fn phrase(query: impl Into<String>) -> Self {
        Self::parsed_by("phraseto_tsquery", query)
    }

    /// PostgreSQL's own notation, `super & (star | nova):*` (`to_tsquery`). What it cannot parse the database refuses.
    pub fn tsquery(query: impl Into<String>) -> Self {
        Self::parsed_by("to_tsquery", query)
    }

    fn parsed_by(parser: &'static str, query: impl Into<String>) -> Self {
        Self {
            parser,
            query: query.into(),
            language: "english".to_owned(),
            document: Document::Chunks,
            normalization: 0,
        }
    }

    /// The text search configuration, by default `english`: one of `SELECT cfgname FROM pg_ts_config`. An index serves its own
    /// alone.
    pub fn language(mut self, language: impl Into<String>) -> Self {
        self.language = language.into();
        self
    }

    /// A column or expression of type `tsvector` that is searched, of the embeddings or of the source; by default the chunks' text.
    pub fn on(mut self, document: impl IntoSimpleExpr) -> Self {
        self.document = Document::Vector(document.into_simple_expr());
        self
    }

    /// A column or expression of type `text` that is searched: an index on `to_tsvector('english', title)` serves it.
    pub fn on_text(mut self, text: impl IntoSimpleExpr) -> Self {
        self.document = Document::Text(text.into_simple_expr());
        self
    }

    /// How `ts_rank_cd` allows for the length of a text, by default 0: not at all. The numbers are PostgreSQL's bits: 1 divides
    /// by 1 + the logarithm of the length, 2 by the length, and so on.
    pub fn normalization(mut self, normalization: i32) -> Self {
        self.normalization = normalization;
        self
    }

    /// Whether rows of the source may be what is searched.
    pub(super) fn is_elsewhere(&self) -> bool {
        !matches!(self.document, Document::Chunks)
    }

    /// The condition that a text matches, and how well.
    pub(super) fn matching<E: EmbeddingTrait>(&self) -> Result<Matching, SearchError> {
        if let Some(position) = self.query.find('\0') {
            return Err(SearchError::Nul { position });
        }
        let document = match (&self.document, E::chunk_column()) {
            (Document::Vector(document), _) => document.clone(),
            (Document::Text(text), _) => self.to_tsvector(text.clone()).into(),
            (Document::Chunks, Some(chunk)) => self.to_tsvector(chunk.into_expr()).into(),
            (Document::Chunks, None) => {
                return Err(SearchError::NoText {
                    table: E::default().table_name().to_owned(),
                });
            }
        };
        let query = Func::cust(self.parser).args([self.regconfig(), Expr::val(self.query.clone())]);
        let score = Func::cust("ts_rank_cd").args([document.clone(), query.clone().into(), self.normalization.into()]);
        Ok(Matching {
            matches: document.binary(BinOper::Custom("@@"), query),
            score: Expr::from(score).cast_as("float8"),
        })
    }

    fn to_tsvector(&self, text: Expr) -> FunctionCall {
        Func::cust("to_tsvector").args([self.regconfig(), text])
    }

    /// A literal rather than a bound value: an index on the expression is only found if the configuration is a constant.
    fn regconfig(&self) -> Expr {
        Expr::cust(format!("{}::regconfig", quote_literal(&self.language)))
    }
}
