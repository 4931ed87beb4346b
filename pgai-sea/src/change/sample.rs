//! The source of a vectorizer: how large it is, and what a worker would make of a sample of its rows.

use std::collections::HashSet;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::error::ChangeError;
use super::plan::{as_f64, one, refused, unsigned};
use crate::catalog::{Vectorizer, Vectors, check_table};
use crate::config::{Destination, Loading};
use crate::sql::{qualified, quote_identifier};
use crate::text::{PythonType, Splitter, Template};

/// A row of the sample.
pub(super) struct Row {
    pub(super) bytes: u64,
    text: String,
    values: Vec<Option<String>>,
    /// The chunks that the generation which answers has of it, if their vectors can be copied.
    pub(super) stored: HashSet<String>,
}

/// The source, and what is made of its rows.
pub(super) struct Table {
    name: String,
    column: String,
    template: Template,
    splitter: Splitter,
    key: Vec<String>,
    types: Vec<PythonType>,
}

impl Table {
    pub(super) fn of(vectorizer: &Vectorizer) -> Result<Self, ChangeError> {
        let config = &vectorizer.config;
        let Some(Loading::Column(loading)) = &config.loading else {
            return Err(refused(
                vectorizer,
                "it loads documents, whose length is not known before",
            ));
        };
        let key = vectorizer.source_pk.iter();
        Ok(Self {
            name: qualified(&vectorizer.source_schema, &vectorizer.source_table),
            column: loading.column_name.clone(),
            splitter: Splitter::new(&config.chunking).map_err(|error| refused(vectorizer, &error.to_string()))?,
            template: Template::new(&config.formatting).map_err(|error| refused(vectorizer, &error.to_string()))?,
            key: key.map(|column| column.attname.clone()).collect(),
            types: Vec::new(),
        })
    }

    /// Refuses what is no table.
    pub(super) async fn check<C: ConnectionTrait>(&self, db: &C, store: &Vectorizer) -> Result<(), DbErr> {
        check_table(db, &self.name).await?;
        match Vectors::of(store) {
            Some(vectors) => check_table(db, &vectors.table).await,
            None => Ok(()),
        }
    }

    /// The types of the template's columns, whose values are written as Python writes them.
    pub(super) async fn read_types<C: ConnectionTrait>(&mut self, db: &C) -> Result<(), DbErr> {
        let sql = "SELECT coalesce(array_agg(attname::text), '{}') FROM pg_catalog.pg_attribute
             WHERE attrelid = $1::regclass AND attname IN ('page', 'headings') AND NOT attisdropped";
        let columns: Vec<String> = one(db, sql, [self.name.clone().into()]).await?.try_get_by_index(0)?;
        self.template
            .take_places(|name| columns.iter().any(|column| column == name));
        for name in self.template.columns() {
            let sql = "SELECT coalesce(b.typname, t.typname)::text FROM pg_catalog.pg_attribute a
                 JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
                 LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype AND t.typtype = 'd'
                 WHERE a.attrelid = $1::regclass AND a.attname = $2 AND NOT a.attisdropped";
            let row = one(db, sql, [self.name.clone().into(), name.into()]).await?;
            self.types.push(PythonType::of(&row.try_get_by_index::<String>(0)?));
        }
        Ok(())
    }

    /// How many rows have a text, and the bytes of all texts. Texts are not read for it.
    pub(super) async fn size<C: ConnectionTrait>(&self, db: &C) -> Result<(u64, u64), DbErr> {
        let column = quote_identifier(&self.column);
        let sql = format!(
            "SELECT count(*) FILTER (WHERE octet_length({column}) > 0), coalesce(sum(octet_length({column})), 0)::int8
             FROM {}",
            self.name
        );
        let row = one(db, &sql, []).await?;
        Ok((unsigned(&row, 0)?, unsigned(&row, 1)?))
    }

    /// Rows of the source, the same ones each time. `store` is the vectorizer whose chunks they have already.
    pub(super) async fn sample<C: ConnectionTrait>(
        &self,
        db: &C,
        rows: u64,
        sample: u32,
        store: Option<&Vectorizer>,
    ) -> Result<Vec<Row>, DbErr> {
        let column = quote_identifier(&self.column);
        let values: String = self
            .template
            .columns()
            .map(|name| {
                let name = quote_identifier(name);
                format!(", CASE WHEN t.{name} IS NOT NULL THEN concat(t.{name}) END")
            })
            .collect();
        let stored = match store.map(|vectorizer| &vectorizer.config.destination) {
            Some(Destination::Table(table)) => {
                let same = self.key.iter().map(|name| {
                    let name = quote_identifier(name);
                    format!("s.{name} = t.{name}")
                });
                format!(
                    "(SELECT json_agg(s.chunk)::text FROM {} s WHERE {})",
                    qualified(
                        table.target_schema.as_deref().unwrap_or_default(),
                        table.target_table.as_deref().unwrap_or_default()
                    ),
                    same.collect::<Vec<_>>().join(" AND ")
                )
            }
            _ => "NULL::text".to_owned(),
        };
        let share = f64::from(sample) / as_f64(rows) * 100.0;
        let sampled = if share < 100.0 {
            format!("TABLESAMPLE BERNOULLI ({share}) REPEATABLE (1)")
        } else {
            String::new()
        };
        let sql = format!(
            "SELECT octet_length(t.{column})::int8, concat(t.{column}), {stored}{values}
             FROM {} t {sampled} WHERE octet_length(t.{column}) > 0",
            self.name
        );
        let sampled = Statement::from_string(DbBackend::Postgres, sql);
        let columns = self.template.columns().count();
        db.query_all_raw(sampled)
            .await?
            .iter()
            .map(|row| {
                let stored: Option<String> = row.try_get_by_index(2)?;
                let stored = stored.map(|json| serde_json::from_str(&json)).transpose();
                let stored = stored.map_err(|error| DbErr::Json(error.to_string()))?;
                Ok(Row {
                    bytes: unsigned(row, 0)?,
                    text: row.try_get_by_index(1)?,
                    stored: stored.unwrap_or_default(),
                    values: (3..3 + columns)
                        .map(|place| row.try_get_by_index(place))
                        .collect::<Result<_, _>>()?,
                })
            })
            .collect()
    }

    /// The texts that are embedded of a row.
    pub(super) fn chunks(&self, row: &Row) -> Result<Vec<String>, ChangeError> {
        let values = self.types.iter().zip(&row.values);
        let values: Vec<String> = values.map(|(kind, value)| kind.str(value.as_deref())).collect();
        let chunks = self.splitter.split(&row.text);
        let chunks = chunks.map_err(|error| DbErr::Custom(error.to_string()))?;
        Ok(chunks
            .iter()
            .map(|chunk| self.template.render(&chunk.text, &values, ("", "")))
            .collect())
    }
}
