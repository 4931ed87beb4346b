//! Declarations beside vectorizers.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::finding::{Aspect, Finding, Problem};
use crate::catalog::Vectorizer;
use crate::config::{Destination, Formatting, Loading};
use crate::entity::{Declaration, DeclaredDestination};

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
    declarations: &[&'static Declaration],
    schemas: &[Option<String>],
    vectorizers: &[Vectorizer],
    may_be_extra: impl Fn(&str) -> bool,
) -> Vec<Finding> {
    let declared: Vec<_> = declarations
        .iter()
        .copied()
        .zip(schemas.iter().map(Option::as_deref))
        .collect();
    let mut partners: Vec<Option<&Vectorizer>> = declared
        .iter()
        .map(|(declaration, schema)| vectorizers.iter().find(|v| fills(v, declaration, *schema)))
        .collect();
    // one that reads the declared column and writes elsewhere is the declared one, gone astray
    for index in 0..declared.len() {
        if partners[index].is_none() {
            let (declaration, schema) = declared[index];
            partners[index] = vectorizers
                .iter()
                .find(|v| reads(v, declaration, schema) && !partners.iter().flatten().any(|taken| taken.id == v.id));
        }
    }
    let mut findings = Vec::new();
    for ((declaration, schema), partner) in declared.iter().zip(&partners) {
        match partner {
            None => findings.push(Finding::about(declaration, None, Problem::Missing)),
            Some(vectorizer) => findings.extend(
                differences(declaration, *schema, vectorizer)
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

fn differences(declaration: &Declaration, schema: Option<&str>, vectorizer: &Vectorizer) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut compare = |aspect, declared: String, actual: String| {
        if declared != actual {
            problems.push(Problem::Differs {
                aspect,
                declared,
                actual,
            });
        }
    };
    let config = &vectorizer.config;
    let schema = schema.unwrap_or_default();
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
    compare(
        Aspect::Destination,
        match declaration.destination {
            DeclaredDestination::Table {
                target_schema,
                target_table,
                ..
            } => {
                format!("{}.{target_table}", target_schema.unwrap_or(schema))
            }
            DeclaredDestination::Column { embedding_column } => format!("the column {embedding_column}"),
        },
        destination(&config.destination),
    );
    compare(
        Aspect::Dimensions,
        declaration.dimensions.to_string(),
        config.embedding.dimensions().to_string(),
    );
    let create = (declaration.vectorizer)();
    if let Some(embedding) = create.get_embedding() {
        let model = |embedding: &crate::Embedding| format!("{} of {}", embedding.model(), embedding.provider());
        compare(Aspect::Embedding, model(embedding), model(&config.embedding));
    }
    if let Some(formatting) = create.get_formatting() {
        compare(Aspect::Formatting, template(formatting), template(&config.formatting));
    }
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

fn destination(destination: &Destination) -> String {
    match destination {
        Destination::Table(table) => {
            let name = |name: &Option<String>| name.clone().unwrap_or_default();
            format!("{}.{}", name(&table.target_schema), name(&table.target_table))
        }
        Destination::Column(column) => format!("the column {}", column.embedding_column),
        Destination::Other(value) => value.to_string(),
    }
}

fn template(formatting: &Formatting) -> String {
    match formatting {
        // the database's default
        Formatting::PythonTemplate(template) => template.template.clone().unwrap_or_else(|| "$chunk".to_owned()),
        Formatting::Other(value) => value.to_string(),
    }
}
