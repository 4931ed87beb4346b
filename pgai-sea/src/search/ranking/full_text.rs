//! The full-text half of a hybrid search.

use sea_orm::sea_query::{BinOper, Expr, ExprTrait, Func, FunctionCall};
use sea_orm::{ColumnTrait, IntoSimpleExpr};

use crate::entity::EmbeddingTrait;
use crate::search::error::{SearchError, table_of};
use crate::sql::quote_literal;

/// The text that is searched.
#[derive(Clone, Debug)]
enum Document {
    Chunks,
    Text(Expr),
    Vector(Expr),
}

/// How a query becomes a `tsquery`.
#[derive(Clone, Copy, Debug)]
enum Parser {
    /// A function of PostgreSQL.
    Function(&'static str),
    /// The words of a text, joined by "or".
    AnyWord,
    /// BM25 of an extension.
    PgSearch,
    PgTextsearch,
}

/// The most bytes of a text that is searched. A `tsvector` holds a megabyte, and words of which each is another one
/// take up to twice the bytes of their text.
const MOST_BYTES: i32 = 524_287;

/// Whether a text has no more words than a `tsvector` can hold. PostgreSQL looks at the length first, as it is cheaper
/// than the words.
fn fits(text: Expr) -> Expr {
    Expr::from(Func::cust("octet_length").arg(text)).lte(MOST_BYTES)
}

/// A full-text search of PostgreSQL, the other half of a [hybrid search](super::super::Search::hybrid).
///
/// ```no_run
/// use pgai_sea::prelude::*;
///
/// let text = FullText::any("how do I index a column?");
/// ```
///
/// It searches the text of the chunks. A text of more than half a megabyte has no words, because PostgreSQL cannot hold
/// them. An index makes it fast: `CREATE INDEX ON blog_posts_embedding_store USING gin (to_tsvector('english',
/// chunk))`. An entity whose vector is a column of its own has no chunks. [`on`](Self::on) and
/// [`on_text`](Self::on_text) say where its text is.
#[derive(Clone, Debug)]
#[must_use]
pub struct FullText {
    parser: Parser,
    query: String,
    language: String,
    document: Document,
    normalization: i32,
    min_score: Option<f64>,
    /// The name of a BM25 index.
    index: String,
}

/// The condition that a text matches, and how well it does.
pub(super) struct Matching {
    pub(super) matches: Expr,
    pub(super) score: Expr,
    pub(super) min_score: Option<f64>,
}

impl FullText {
    /// Any of the words of a text, ranked by `ts_rank`. Use it for a question: the more of its words a chunk has, the
    /// higher it ranks.
    ///
    /// Every text is fine, whatever characters it has. A text of stop words alone finds nothing.
    pub fn any(text: impl Into<String>) -> Self {
        // PostgreSQL has no text with NUL, which is no part of a word
        Self::parsed_by(Parser::AnyWord, text.into().replace('\0', " "))
    }

    /// What people type into a search box (`websearch_to_tsquery`): all words have to be there, `"a phrase"` as it
    /// stands, `or` between alternatives, `-word` excludes one. A question in words finds little, because a chunk
    /// rarely has all of them: use [`any`](Self::any).
    pub fn websearch(query: impl Into<String>) -> Self {
        Self::parsed_by(Parser::Function("websearch_to_tsquery"), query)
    }

    /// All of the words of a text (`plainto_tsquery`). Every text is fine.
    pub fn all(text: impl Into<String>) -> Self {
        Self::parsed_by(Parser::Function("plainto_tsquery"), text.into().replace('\0', " "))
    }

    /// Words that have to follow each other (`phraseto_tsquery`).
    pub fn phrase(query: impl Into<String>) -> Self {
        Self::parsed_by(Parser::Function("phraseto_tsquery"), query)
    }

    /// PostgreSQL's own notation (`to_tsquery`), such as `super & (star | nova):*`. The database refuses a query that
    /// it cannot parse.
    pub fn tsquery(query: impl Into<String>) -> Self {
        Self::parsed_by(Parser::Function("to_tsquery"), query)
    }

    /// Any of the words of a text, ranked by BM25 of the extension pg_search (from 0.20). It needs a [BM25
    /// index](crate::search::CreateTextIndex::pg_search) with the chunk's own key. The language is the index's.
    pub fn pg_search(text: impl Into<String>) -> Self {
        Self::parsed_by(Parser::PgSearch, text.into().replace('\0', " "))
    }

    /// Any of the words of a text, ranked by BM25 of the extension pg_textsearch with this
    /// [index](crate::search::CreateTextIndex::pg_textsearch). The language is the index's.
    pub fn pg_textsearch(index: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            index: index.into(),
            ..Self::parsed_by(Parser::PgTextsearch, text.into().replace('\0', " "))
        }
    }

    fn parsed_by(parser: Parser, query: impl Into<String>) -> Self {
        Self {
            parser,
            query: query.into(),
            language: "english".to_owned(),
            document: Document::Chunks,
            normalization: i32::from(matches!(parser, Parser::AnyWord)),
            min_score: None,
            index: String::new(),
        }
    }

    /// The text search configuration, by default `english`: one of `SELECT cfgname FROM pg_ts_config`. An index serves
    /// its own configuration only.
    pub fn language(mut self, language: impl Into<String>) -> Self {
        self.language = language.into();
        self
    }

    /// Searches a column or expression of type `tsvector`, of the embeddings or of the source, instead of the chunks'
    /// text.
    pub fn on(mut self, document: impl IntoSimpleExpr) -> Self {
        self.document = Document::Vector(document.into_simple_expr());
        self
    }

    /// Searches a column or expression of type `text` instead of the chunks' text. An index on `to_tsvector('english',
    /// title)` serves it.
    pub fn on_text(mut self, text: impl IntoSimpleExpr) -> Self {
        self.document = Document::Text(text.into_simple_expr());
        self
    }

    /// How the score takes the length of a text into account. The numbers are PostgreSQL's bits: 0 ignores it, 1
    /// divides by 1 + the logarithm of the length, 2 by the length, and so on. The default is 1 for
    /// [`any`](Self::any), and 0 else.
    pub fn normalization(mut self, normalization: i32) -> Self {
        self.normalization = normalization;
        self
    }

    /// Leaves out texts that score less, so that one common word does not make a hit. What a good score is depends on
    /// the texts, the question's length and the parser: look at
    /// [`Ranked::text_score`](crate::search::Ranked::text_score). NaN is refused.
    pub fn min_score(mut self, min_score: f64) -> Self {
        self.min_score = Some(min_score);
        self
    }

    /// Whether the searched text may be in rows of the source.
    pub(super) fn is_elsewhere(&self) -> bool {
        !matches!(self.document, Document::Chunks)
    }

    pub(super) fn matching<E: EmbeddingTrait>(&self) -> Result<Matching, SearchError> {
        if let Some(position) = self.query.find('\0') {
            return Err(SearchError::Nul { position });
        }
        if let Some(value) = self.min_score.filter(|score| score.is_nan()) {
            return Err(SearchError::Number {
                setter: "min_score",
                value,
                range: "a number",
            });
        }
        if matches!(self.parser, Parser::PgSearch | Parser::PgTextsearch) {
            return self.bm25::<E>();
        }
        let document = match (&self.document, E::chunk_column()) {
            (Document::Vector(document), _) => document.clone(),
            (Document::Text(text), _) => self.to_tsvector(text.clone()).into(),
            (Document::Chunks, Some(chunk)) => self.to_tsvector(chunk.into_expr()).into(),
            (Document::Chunks, None) => return Err(SearchError::NoText { table: table_of::<E>() }),
        };
        // PostgreSQL refuses a text with too many words, and with it the whole search. Such a text has none.
        let fits = match (&self.document, E::chunk_column()) {
            (Document::Text(text), _) => Some(fits(text.clone())),
            (Document::Chunks, Some(chunk)) => Some(fits(chunk.into_expr())),
            (Document::Vector(_) | Document::Chunks, _) => None,
        };
        let query = self.to_tsquery();
        // Where any word will do, their distances say nothing: how many there are counts. Measured on READMEs of
        // crates, the nDCG@10 of the words alone went from 0.48 (ts_rank_cd) to 0.64.
        let rank = match self.parser {
            Parser::AnyWord => "ts_rank",
            _ => "ts_rank_cd",
        };
        let score = Func::cust(rank).args([document.clone(), query.clone(), self.normalization.into()]);
        Ok(Matching {
            matches: match fits {
                Some(fits) => fits.and(document.binary(BinOper::Custom("@@"), query)),
                None => document.binary(BinOper::Custom("@@"), query),
            },
            score: Expr::from(score).cast_as("float8"),
            min_score: self.min_score,
        })
    }

    /// The condition and score of an extension.
    fn bm25<E: EmbeddingTrait>(&self) -> Result<Matching, SearchError> {
        let text = match (&self.document, E::chunk_column()) {
            (Document::Vector(text) | Document::Text(text), _) => text.clone(),
            (Document::Chunks, Some(chunk)) => chunk.into_expr(),
            (Document::Chunks, None) => return Err(SearchError::NoText { table: table_of::<E>() }),
        };
        let query = Expr::val(self.query.clone());
        if let Parser::PgTextsearch = self.parser {
            // the negative score, so that the best comes first
            let query = Func::cust("to_bm25query").args([query, Expr::val(self.index.clone())]);
            let negative = text.binary(BinOper::Custom("<@>"), Expr::from(query));
            return Ok(Matching {
                matches: negative.clone().lt(0.0),
                score: Expr::val(0.0).sub(negative.cast_as("float8")),
                min_score: self.min_score,
            });
        }
        let key = E::identity()
            .into_iter()
            .next()
            .map_or_else(|| Expr::val(0), ColumnTrait::into_expr);
        Ok(Matching {
            matches: text.binary(BinOper::Custom("|||"), query),
            score: Expr::from(Func::cust("pdb.score").arg(key)).cast_as("float8"),
            min_score: self.min_score,
        })
    }

    fn to_tsquery(&self) -> Expr {
        let query = Expr::val(self.query.clone());
        match self.parser {
            Parser::Function(function) => Func::cust(function).args([self.regconfig(), query]).into(),
            Parser::AnyWord | Parser::PgSearch | Parser::PgTextsearch => {
                Expr::cust_with_exprs(ANY_WORD, [self.to_tsvector(query).into()])
            }
        }
    }

    fn to_tsvector(&self, text: Expr) -> FunctionCall {
        Func::cust("to_tsvector").args([self.regconfig(), text])
    }

    /// A literal rather than a bound value: PostgreSQL finds an index on the expression only if the configuration is a
    /// constant.
    fn regconfig(&self) -> Expr {
        Expr::cust(format!("{}::regconfig", quote_literal(&self.language)))
    }
}

/// Any lexeme of the `tsvector` `$1`, and NULL, which nothing matches, if it has none. A lexeme may have any character,
/// so each is quoted as a `tsquery` has it: quotes (39) and backslashes (92) are doubled, whatever
/// `standard_conforming_strings` is.
const ANY_WORD: &str = "(SELECT CAST(string_agg(chr(39) || replace(replace(lexeme, chr(92), repeat(chr(92), 2)), \
                        chr(39), repeat(chr(39), 2)) || chr(39), ' | ') AS tsquery) FROM unnest($1) AS words)";

#[cfg(test)]
mod tests {
    use sea_orm::sea_query::{PostgresQueryBuilder, Query};

    use super::*;
    use crate::search::statement::tests::store;

    /// The extensions are not in the tests' servers, so the text is all that there is to be seen.
    #[test]
    fn bm25_has_the_extensions_own_operators() {
        let sql = |text: FullText| {
            let Matching { matches, score, .. } = text.matching::<store::Entity>().unwrap();
            Query::select()
                .expr(score)
                .and_where(matches)
                .to_string(PostgresQueryBuilder)
        };
        assert_eq!(
            sql(FullText::pg_search("it's \"any\" text:*")),
            r#"SELECT CAST(pdb.score("store"."embedding_uuid") AS float8) "#.to_owned()
                + r#"WHERE "store"."chunk" ||| E'it\'s "any" text:*'"#
        );
        assert_eq!(
            sql(FullText::pg_textsearch("store_chunk_bm25", "a lamp")),
            r#"SELECT 0 - CAST(("store"."chunk" <@> to_bm25query('a lamp', 'store_chunk_bm25')) AS float8) "#
                .to_owned()
                + r#"WHERE ("store"."chunk" <@> to_bm25query('a lamp', 'store_chunk_bm25')) < 0"#
        );
    }
}
