//! Declarations beside vectorizers.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::Scope;
use super::finding::{Aspect, Finding, Problem};
use super::options::Options;
use super::renames::Names;
use crate::catalog::Vectorizer;
use crate::config::{ConfigError, Destination, HALFVEC, Loading};
use crate::entity::{Declaration, DeclaredDestination};

/// A declaration, with what only the database knows of it.
pub(super) struct Declared {
    pub(super) declaration: &'static Declaration,
    /// Whether it names provider and model.
    pub(super) gives_embedding: bool,
    /// What is declared of the loading, as it is written in a migration.
    pub(super) loading: String,
    /// See [`place`].
    pub(super) schema: Option<String>,
    pub(super) options: Options,
    /// What the builder says against what is declared.
    pub(super) refused: Option<ConfigError>,
}

/// A vectorizer of the database.
pub(super) struct Present {
    pub(super) vectorizer: Vectorizer,
    /// What its source is called by now, where the catalog follows renames.
    pub(super) today: Option<Names>,
}

impl Present {
    /// Schema and name of the source, as it is called today.
    fn source(&self) -> (&str, &str) {
        match &self.today {
            Some(today) => (&today.schema, &today.table),
            None => (&self.vectorizer.source_schema, &self.vectorizer.source_table),
        }
    }

    /// The loaded column, by the name that the vectorizer has for it.
    fn loaded(&self) -> Option<&str> {
        self.vectorizer.config.loading.as_ref().and_then(Loading::column_name)
    }

    /// The same by the name that it has today.
    fn loaded_today(&self) -> Option<&str> {
        let name = self.loaded()?;
        Some(self.today.as_ref().map_or(name, |today| today.column(name)))
    }
}

/// The schema that a declaration's source is in, with what it leaves to the search path resolved. `None`: there is no
/// such table.
pub(super) async fn place<C: ConnectionTrait>(db: &C, declaration: &Declaration) -> Result<Option<String>, DbErr> {
    if let Some(schema) = declaration.source_schema {
        return Ok(Some(schema.to_owned()));
    }
    let row = db
        .query_one_raw(Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT n.nspname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE c.oid = pg_catalog.to_regclass(pg_catalog.quote_ident($1))::pg_catalog.oid",
            [declaration.source_table.into()],
        ))
        .await?;
    row.map(|row| row.try_get_by_index(0)).transpose()
}

/// Every difference, in the order of the declarations; vectorizers that nothing declares last.
pub(super) fn all(declared: &[Declared], vectorizers: &[Present], scope: Scope) -> Vec<Finding> {
    let mut partners: Vec<Option<&Present>> = declared
        .iter()
        .map(|one| {
            let schema = one.schema.as_deref();
            vectorizers.iter().find(|v| fills(v, one.declaration, schema))
        })
        .collect();
    // one that reads the declared column and writes elsewhere is the declared one, gone astray
    for (index, one) in declared.iter().enumerate() {
        if partners[index].is_none() {
            let free = |v: &&Present| !is_taken(&partners, v);
            let schema = one.schema.as_deref();
            partners[index] = vectorizers
                .iter()
                .filter(free)
                .find(|v| reads(v, one.declaration, schema));
        }
    }
    let mut findings = Vec::new();
    for (one, partner) in declared.iter().zip(&partners) {
        match partner {
            None => findings.push(Finding::about(one, None, Problem::Missing)),
            Some(present) => findings.extend(
                differences(one, present)
                    .into_iter()
                    .map(|problem| Finding::about(one, Some(&present.vectorizer), problem)),
            ),
        }
        if let Some(error) = &one.refused {
            let vectorizer = partner.map(|present| &present.vectorizer);
            findings.push(Finding::about(one, vectorizer, Problem::Refused(error.clone())));
        }
    }
    let may_be_extra = |present: &Present| {
        let is_its = |one: &Declared| is_source(present, one.declaration, one.schema.as_deref());
        scope == Scope::Database || declared.iter().any(is_its)
    };
    let extra = vectorizers
        .iter()
        .filter(|v| may_be_extra(v) && !is_taken(&partners, v));
    findings.extend(extra.map(|present| {
        let (schema, table) = present.source();
        Finding::extra(&present.vectorizer, format!("{schema}.{table}"))
    }));
    findings
}

fn is_taken(partners: &[Option<&Present>], present: &Present) -> bool {
    let id = present.vectorizer.id;
    partners.iter().flatten().any(|taken| taken.vectorizer.id == id)
}

/// Whether `vectorizer` writes where the declaration looks.
fn fills(present: &Present, declaration: &Declaration, schema: Option<&str>) -> bool {
    match (&present.vectorizer.config.destination, declaration.destination) {
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
            is_source(present, declaration, schema) && column.embedding_column == embedding_column
        }
        _ => false,
    }
}

fn reads(present: &Present, declaration: &Declaration, schema: Option<&str>) -> bool {
    is_source(present, declaration, schema) && present.loaded_today() == Some(declaration.loading_column)
}

fn is_source(present: &Present, declaration: &Declaration, schema: Option<&str>) -> bool {
    let (source_schema, source_table) = present.source();
    Some(source_schema) == schema && source_table == declaration.source_table
}

/// What differs, by the names of today; or what the vectorizer has another name for than its source has today.
fn differs_or_renamed(aspect: Aspect, declared: String, today: String, actual: String) -> Option<Problem> {
    if declared != today {
        return Some(Problem::Differs {
            aspect,
            declared,
            actual: today,
        });
    }
    (declared != actual).then_some(Problem::Renamed {
        aspect,
        declared,
        actual,
    })
}

fn differences(declared: &Declared, present: &Present) -> Vec<Problem> {
    let vectorizer = &present.vectorizer;
    let (declaration, config) = (declared.declaration, &vectorizer.config);
    let schema = declared.schema.as_deref().unwrap_or_default();
    let (source_schema, source_table) = present.source();
    let column = |name: Option<&str>| name.unwrap_or("no column").to_owned();
    let mut problems = Vec::from_iter(differs_or_renamed(
        Aspect::Source,
        format!("{schema}.{}", declaration.source_table),
        format!("{source_schema}.{source_table}"),
        format!("{}.{}", vectorizer.source_schema, vectorizer.source_table),
    ));
    problems.extend(differs_or_renamed(
        Aspect::Loading,
        declaration.loading_column.to_owned(),
        column(present.loaded_today()),
        column(present.loaded()),
    ));
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
    let (declared_destination, declared_view) = match declaration.destination {
        DeclaredDestination::Table {
            target_schema,
            target_table,
            view_schema,
            view_name,
            ..
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
        config
            .embedding
            .dimensions()
            .map_or_else(|| "none".to_owned(), |number| number.to_string()),
    );
    if let DeclaredDestination::Table { halfvec, .. } = declaration.destination {
        let name = |halfvec| if halfvec { HALFVEC } else { "vector" }.to_owned();
        compare(Aspect::VectorType, name(halfvec), name(config.destination.is_halfvec()));
    }
    problems.extend(declared.options.differences(config, present.today.as_ref()));
    problems
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
