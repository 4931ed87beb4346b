//! A call in named notation, rendered twice: with literals for people, with parameters for the database.

use std::fmt::Write as _;

use sea_orm::sea_query::{ArrayType, Value};

use super::quote::{quote_literal, relation_text};

/// `ai.function(name => value, ..)`. Arguments that were not set are not written: the database's defaults hold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    function: &'static str,
    arguments: Vec<(&'static str, Arg)>,
}

/// One argument's value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Arg {
    Bool(bool),
    Float(f64),
    Int(i32),
    Json(serde_json::Value),
    /// Text in the input format of another type: `interval`, `timestamptz`.
    Typed(String, &'static str),
    /// An identifier, of type `name`.
    Name(String),
    Relation(Option<String>, String),
    Text(String),
    Texts(Vec<String>),
    /// A subquery, in which the texts stand as their numbers between NULs.
    Query(String, Vec<String>),
    /// `ai.grant_to(variadic name[])`, the only function without named arguments.
    GrantTo(Vec<String>),
    Call(Call),
}

/// Where values go: into the text, or beside it.
pub(crate) struct Renderer {
    sql: String,
    values: Option<Vec<Value>>,
}

impl Call {
    pub(crate) fn new(function: &'static str) -> Self {
        Self {
            function,
            arguments: Vec::new(),
        }
    }

    /// Adds an argument, if it was set.
    pub(crate) fn arg<T: Into<Arg>>(mut self, name: &'static str, value: Option<T>) -> Self {
        self.arguments.extend(value.map(|value| (name, value.into())));
        self
    }

    /// The call with its values as literals.
    pub(crate) fn to_sql(&self) -> String {
        let mut renderer = Renderer {
            sql: String::new(),
            values: None,
        };
        renderer.call(self);
        renderer.sql
    }

    /// The call with `$1`, `$2`, .. and their values.
    pub(crate) fn bind(&self) -> (String, Vec<Value>) {
        let mut renderer = Renderer {
            sql: String::new(),
            values: Some(Vec::new()),
        };
        renderer.call(self);
        (renderer.sql, renderer.values.unwrap_or_default())
    }
}

impl Renderer {
    fn call(&mut self, call: &Call) {
        self.sql.push_str("ai.");
        self.sql.push_str(call.function);
        self.sql.push('(');
        for (i, (name, value)) in call.arguments.iter().enumerate() {
            if i > 0 {
                self.sql.push_str(", ");
            }
            self.sql.push_str(name);
            self.sql.push_str(" => ");
            self.value(value);
        }
        self.sql.push(')');
    }

    fn value(&mut self, arg: &Arg) {
        match arg {
            Arg::Bool(b) => self.scalar(|| b.to_string(), || Value::Bool(Some(*b)), ""),
            Arg::Int(i) => self.scalar(|| i.to_string(), || Value::Int(Some(*i)), ""),
            Arg::Float(f) => self.scalar(|| format!("{f:?}"), || Value::Double(Some(*f)), ""),
            Arg::Json(json) => {
                self.scalar(
                    || quote_literal(&json.to_string()),
                    || Value::Json(Some(Box::new(json.clone()))),
                    "",
                );
            }
            Arg::Text(text) => self.text(text, ""),
            Arg::Name(name) => self.text(name, "::name"),
            Arg::Typed(text, cast) => self.text(text, cast),
            Arg::Relation(schema, table) => self.text(&relation_text(schema.as_deref(), table), "::regclass"),
            Arg::Texts(texts) => self.texts(texts, "::text[]"),
            Arg::GrantTo(roles) => {
                self.sql.push_str("ai.grant_to(VARIADIC ");
                self.texts(roles, "::name[]");
                self.sql.push(')');
            }
            Arg::Query(sql, texts) => self.query(sql, texts),
            Arg::Call(call) => self.call(call),
        }
    }

    fn query(&mut self, sql: &str, texts: &[String]) {
        let mut place = |text: &String| match &mut self.values {
            None => quote_literal(text),
            Some(values) => {
                values.push(Value::String(Some(text.clone())));
                format!("${}", values.len())
            }
        };
        let places: Vec<String> = texts.iter().map(&mut place).collect();
        self.sql.push('(');
        for (i, part) in sql.split('\0').enumerate() {
            let number = part.parse::<usize>().ok().filter(|_| i % 2 == 1);
            self.sql.push_str(
                number
                    .and_then(|number| places.get(number))
                    .map_or(part, String::as_str),
            );
        }
        self.sql.push(')');
    }

    /// A literal needs no cast, PostgreSQL types it by the argument; a parameter is sent as text and does.
    fn text(&mut self, text: &str, cast: &str) {
        self.scalar(|| quote_literal(text), || Value::String(Some(text.to_owned())), cast);
    }

    fn texts(&mut self, texts: &[String], cast: &str) {
        if self.values.is_none() {
            let literals: Vec<_> = texts.iter().map(|text| quote_literal(text)).collect();
            let _ = write!(self.sql, "ARRAY[{}]{cast}", literals.join(", "));
            return;
        }
        let array = || {
            let values = texts.iter().map(|text| Value::String(Some(text.clone()))).collect();
            Value::Array(ArrayType::String, Some(Box::new(values)))
        };
        self.scalar(String::new, array, cast);
    }

    fn scalar(&mut self, literal: impl FnOnce() -> String, value: impl FnOnce() -> Value, cast: &str) {
        match &mut self.values {
            None => self.sql.push_str(&literal()),
            Some(values) => {
                values.push(value());
                let _ = write!(self.sql, "${}{cast}", values.len());
            }
        }
    }
}

macro_rules! arg_from {
    ($($from:ty => $variant:ident),* $(,)?) => {
        $(impl From<$from> for Arg {
            fn from(value: $from) -> Self {
                Self::$variant(value)
            }
        })*
    };
}
arg_from! {
    bool => Bool, f64 => Float, i32 => Int, String => Text, Vec<String> => Texts, serde_json::Value => Json,
    Call => Call
}

impl From<&String> for Arg {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<&Vec<String>> for Arg {
    fn from(texts: &Vec<String>) -> Self {
        Self::Texts(texts.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> Call {
        Call::new("create_vectorizer")
            .arg("source", Some(Arg::Relation(Some("web".into()), "Blog \"x\"".into())))
            .arg("name", None::<String>)
            .arg("chunking", Some(Call::new("chunking_none")))
            .arg("separators", Some(vec!["'\\".to_owned(), "\n".to_owned()]))
            .arg("grant_to", Some(Arg::GrantTo(vec!["bob".into()])))
            .arg("queue_schema", Some(Arg::Name("q".into())))
            .arg("max_alpha", Some(1.0))
    }

    #[test]
    fn literals() {
        assert_eq!(
            call().to_sql(),
            "ai.create_vectorizer(source => 'web.\"Blog \"\"x\"\"\"', chunking => ai.chunking_none(), \
             separators => ARRAY[E'''\\\\', E'\\n']::text[], grant_to => ai.grant_to(VARIADIC ARRAY['bob']::name[]), \
             queue_schema => 'q', max_alpha => 1.0)"
        );
    }

    #[test]
    fn parameters() {
        let (sql, values) = call().bind();
        assert_eq!(
            sql,
            "ai.create_vectorizer(source => $1::regclass, chunking => ai.chunking_none(), separators => $2::text[], \
             grant_to => ai.grant_to(VARIADIC $3::name[]), queue_schema => $4::name, max_alpha => $5)"
        );
        assert_eq!(values[0], Value::String(Some("web.\"Blog \"\"x\"\"\"".into())));
        assert_eq!(values.len(), 5);
    }
}
