//! Compares the vectorizers that the program's entities declare with those of a database.
//!
//! The derive declares, and a migration creates. Run the check in a test, or when the application starts, to see that
//! they agree:
//!
//! ```no_run
//! # async fn migrated_database() -> Result<sea_orm::DatabaseConnection, sea_orm::DbErr> { unimplemented!() }
//! # async fn entities_and_migrations_agree() -> Result<(), Box<dyn std::error::Error>> {
//! let db = migrated_database().await?;
//! let findings = pgai_sea::check(&db).await?;
//! assert!(findings.is_empty(), "{findings}");
//! # Ok(())
//! # }
//! ```
//!
//! To check a database without compiling the application, in a pipeline say, let the application write what it declares
//! to a file ([`declared_json`]), and run `pgai-sea check vectorizers.json -d $DATABASE_URL`.
//!
//! The check compares the source table, the loaded column and whether it holds addresses, the destination, the view and
//! the dimensions. It compares `parsing`, `embedding`, `chunking`, `formatting` and `indexing` where the attribute has
//! them, with the database's defaults for what such an option leaves out. What the attribute does not have may be
//! anything.
//!
//! After a rename of the source or its columns nothing has to be embedded again. On a catalog that follows renames the
//! finding is [`Problem::Renamed`], and `refresh_vectorizer` in a migration mends it.

mod compare;
mod file;
mod finding;
mod mending;
mod options;
mod renames;

use sea_orm::ConnectionTrait;

pub use self::file::{check_declared, declared_json};
pub use self::finding::{Aspect, Finding, Findings, Problem};

use crate::catalog::{self, CatalogError};
use crate::change;
use crate::entity::{Declaration, declarations};
use crate::vectorizer::CreateVectorizer;

/// Compares what the program's entities declare with the vectorizers of a database, both ways. Changes nothing.
///
/// A database without vectorizers is a finding, not an error.
///
/// # Errors
///
/// The database's, and [`CatalogError::Unreadable`] for a vectorizer that this version does not understand.
pub async fn check<C: ConnectionTrait>(db: &C) -> Result<Findings, CatalogError> {
    let given = declarations().into_iter().map(Given::from).collect();
    findings(db, given, Scope::Database).await
}

/// As [`check`], only for the entities in `module`, a path as `module_path!()` gives it. Vectorizers of other tables
/// are no findings, even if the tables have the same names in another schema.
///
/// # Errors
///
/// As [`check`].
pub async fn check_module<C: ConnectionTrait>(db: &C, module: &str) -> Result<Findings, CatalogError> {
    let inside = |declaration: &&Declaration| {
        let rest = declaration.module.strip_prefix(module);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    let given = declarations().into_iter().filter(inside).map(Given::from).collect();
    findings(db, given, Scope::DeclaredTables).await
}

/// Whose undeclared vectorizers are findings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Database,
    DeclaredTables,
}

/// A declaration, and what it builds.
struct Given {
    declaration: &'static Declaration,
    create: CreateVectorizer,
}

impl From<&'static Declaration> for Given {
    fn from(declaration: &'static Declaration) -> Self {
        Self {
            declaration,
            create: (declaration.vectorizer)(),
        }
    }
}

async fn findings<C: ConnectionTrait>(db: &C, given: Vec<Given>, scope: Scope) -> Result<Findings, CatalogError> {
    let mut found = Vec::new();
    let mut vectorizers = Vec::new();
    if catalog::has_catalog(db).await? {
        let mut names = renames::of_today(db).await?;
        let present = catalog::vectorizers(db).await?.into_iter();
        vectorizers.extend(present.map(|vectorizer| compare::Present {
            today: names.remove(&vectorizer.id),
            vectorizer,
        }));
    } else if !given.is_empty() {
        found.push(Finding::not_installed());
    }
    let mut declared = Vec::new();
    for Given { declaration, create } in given {
        let refused = create.check_given().err();
        declared.push(compare::Declared {
            declaration,
            gives_embedding: create.get_embedding().is_some(),
            loading: options::written(create.get_loading()),
            schema: compare::place(db, declaration).await?,
            // what the builder refuses, the database's functions may not take either
            options: if vectorizers.is_empty() || refused.is_some() {
                options::Options::default()
            } else {
                options::as_stored(db, &create).await?
            },
            refused,
        });
    }
    found.extend(compare::all(&declared, &vectorizers, scope));
    let is_ours = change::is_ours(db).await?;
    for finding in &mut found {
        finding.is_ours = is_ours;
    }
    Ok(Findings(found))
}
