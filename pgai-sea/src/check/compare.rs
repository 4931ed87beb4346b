//! Declarations beside vectorizers.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::finding::{Aspect, Finding, Problem};
use super::options::Options;
use crate::catalog::Vectorizer;
use crate::config::{Destination, Loading};
use crate::entity::{Declaration, DeclaredDestination};

/// A declaration, with what only the database knows of it.
pub(super) struct Declared {
    pub(super) declaration: &'static Declaration,
    /// See [`place`].
    pub(super) schema: Option<String>,
    pub(super) options: Options,
}

/// The schema that a declaration's source is in, with what it leaves to the search path resolved. `None`: there is no such table.
pub(super) async fn place<C: ConnectionTrait>(db: &C, declaration: &Declaration) -> Result<Option<String>, DbErr> {
    if let Some(schema) = declaration.source_schema {
        return Ok(Some(schema.to_owned()));
    }
    let row = db
        .query_one_raw(Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT n.nspname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE c.oid = to_regclass(quote_ident($1))",
            [declaration.source_table.into()],
        ))
        .await?;
    row.map(|row| row.try_get_by_index(0)).transpose()
}

/// Every difference, in the order of the declarations; vectorizers that nothing declares last.
pub(super) fn all(
    declared: &[Declared],
    vectorizers: &[Vectorizer],
    may_be_extra: impl Fn(&str) -> bool,
) -> Vec<Finding> {
    let mut partners: Vec<Option<&Vectorizer>> = declared
        .iter()
        .map(|one| {
            let schema = one.schema.as_deref();
            vectorizers.iter().find(|v| fills(v, one.declaration, schema))
        })
        .collect();
    // one that reads the declared column and writes elsewhere is the declared one, gone astray
    for (index, one) in declared.iter().enumerate() {
        if partners[index].is_none() {
            let free = |v: &&Vectorizer| !partners.iter().flatten().any(|taken| taken.id == v.id);
            let schema = one.schema.as_deref();
            partners[index] = vectorizers
                .iter()
                .filter(free)
                .find(|v| reads(v, one.declaration, schema));
        }
    }
    let mut findings = Vec::new();
    for (one, partner) in declared.iter().zip(&partners) {
        let declaration = one.declaration;
        match partner {
            None => findings.push(Finding::about(declaration, None, Problem::Missing)),
            Some(vectorizer) => findings.extend(
                differences(one, vectorizer)
                    .into_iter()
                    .map(|problem| Finding::about(declaration, Some(vectorizer), problem)),
            ),
        }
        if let Err(error) = refused(declaration) {
            findings.push(Finding::about(declaration, *partner, Problem::Refused(error)));
        }
    }
    let extra = vectorizers.iter().filter(|vectorizer| {
        may_be_extra(&vectorizer.source_table) && !partners.iter().flatten().any(|taken| taken.id == vectorizer.id)
    });
    findings.extend(extra.map(Finding::extra));
    findings
}

/// Whether `vectorizer` writes where the declaration looks.
fn fills(vectorizer: &Vectorizer, declaration: &Declaration, schema: Option<&str>) -> bool {
    match (&vectorizer.config.destination, declaration.destination) {
        (
            Destination::Table(table),
            DeclaredDestination::Table {
                target_schema,
                target_table,
                ..
            },
        ) => {
            table.target_table.as_deref() == Some(target_table)
                && table.target_schema.as_deref() == target_schema.or(schema)
        }
        (Destination::Column(column), DeclaredDestination::Column { embedding_column }) => {
            is_source(vectorizer, declaration, schema) && column.embedding_column == embedding_column
        }
        _ => false,
    }
}

fn reads(vectorizer: &Vectorizer, declaration: &Declaration, schema: Option<&str>) -> bool {
    is_source(vectorizer, declaration, schema) && loaded(vectorizer) == Some(declaration.loading_column)
}

fn is_source(vectorizer: &Vectorizer, declaration: &Declaration, schema: Option<&str>) -> bool {
    Some(&*vectorizer.source_schema) == schema && vectorizer.source_table == declaration.source_table
}

fn loaded(vectorizer: &Vectorizer) -> Option<&str> {
    vectorizer.config.loading.as_ref().and_then(Loading::column_name)
}

fn differences(declared: &Declared, vectorizer: &Vectorizer) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut compare = |aspect, declared: String, actual: String| {
        let same = declared == actual;
        if !same {
            problems.push(Problem::Differs {
                aspect,
                declared,
                actual,
            });
        }
        same
    };
    let (declaration, config) = (declared.declaration, &vectorizer.config);
    let schema = declared.schema.as_deref().unwrap_or_default();
    compare(
        Aspect::Source,
        format!("{schema}.{}", declaration.source_table),
        format!("{}.{}", vectorizer.source_schema, vectorizer.source_table),
    );
    compare(
        Aspect::Loading,
        declaration.loading_column.to_owned(),
        loaded(vectorizer).unwrap_or("no column").to_owned(),
    );
    let (declared_destination, declared_view) = match declaration.destination {
        DeclaredDestination::Table {
            target_schema,
            target_table,
            view_schema,
            view_name,
        } => (
            format!("{}.{target_table}", target_schema.unwrap_or(schema)),
            Some(format!("{}.{view_name}", view_schema.unwrap_or(schema))),
        ),
        DeclaredDestination::Column { embedding_column } => (format!("the column {embedding_column}"), None),
    };
    let (destination, view) = destination(&config.destination);
    // elsewhere altogether, the view is elsewhere as well
    if compare(Aspect::Destination, declared_destination, destination)
        && let Some((declared, actual)) = declared_view.zip(view)
    {
        compare(Aspect::View, declared, actual);
    }
    compare(
        Aspect::Dimensions,
        declaration.dimensions.to_string(),
        config.embedding.dimensions().to_string(),
    );
    problems.extend(declared.options.differences(config));
    problems
}

/// What the builder says of the declaration, where that is to be whole.
fn refused(declaration: &Declaration) -> Result<(), crate::config::ConfigError> {
    let create = (declaration.vectorizer)();
    match create.get_embedding() {
        Some(_) => create.to_sql().map(drop),
        None => Ok(()),
    }
}

/// Where the embeddings are, and the view that joins them.
fn destination(destination: &Destination) -> (String, Option<String>) {
    let name = |schema: &Option<String>, name: &Option<String>| {
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        format!("{}.{}", part(schema), part(name))
    };
    match destination {
        Destination::Table(table) => (
            name(&table.target_schema, &table.target_table),
            Some(name(&table.view_schema, &table.view_name)),
        ),
        Destination::Column(column) => (format!("the column {}", column.embedding_column), None),
        Destination::Other(value) => (value.to_string(), None),
    }
}
