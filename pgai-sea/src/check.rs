//! Whether a database has the vectorizers that the program's entities declare.
//!
//! The derive declares, and a migration creates: nothing but a look into the database says that they agree. Made for a
//! test, or for the start of an application.
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
//! Compared are the source table, the loaded column, the target table with its view or the target column, and the
//! dimensions; and what the attribute has of `embedding`, `chunking`, `formatting` and `indexing`, with the database's
//! defaults for what such an option leaves out. What the attribute does not have may be anything.
//!
//! A source whose table or columns were renamed is the same source, and nothing has to be embedded again for it: where
//! the catalog follows renames, the finding is [`Problem::Renamed`], and `refresh_vectorizer` in a migration mends it.

mod compare;
mod finding;
mod options;
mod renames;

use sea_orm::ConnectionTrait;

pub use self::finding::{Aspect, Finding, Findings, Problem};

use crate::catalog::{self, CatalogError};
use crate::entity::{Declaration, declarations};

/// Compares what the program's entities declare with the vectorizers of a database, both ways. Reads, and changes
/// nothing.
///
/// # Errors
///
/// The database's, and [`CatalogError::Unreadable`] for a vectorizer that this version does not understand. A database
/// that has no vectorizers at all is no error, but a finding.
pub async fn check<C: ConnectionTrait>(db: &C) -> Result<Findings, CatalogError> {
    findings(db, &declarations(), Scope::Database).await
}

/// As [`check`], for the entities in `module` alone, a path as of `module_path!()`; vectorizers of other tables, be
/// they called the same in another schema, are none of its business.
///
/// # Errors
///
/// As [`check`].
pub async fn check_module<C: ConnectionTrait>(db: &C, module: &str) -> Result<Findings, CatalogError> {
    let inside = |declaration: &&Declaration| {
        let rest = declaration.module.strip_prefix(module);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    let declarations: Vec<_> = declarations().into_iter().filter(inside).collect();
    findings(db, &declarations, Scope::DeclaredTables).await
}

/// Whose undeclared vectorizers are findings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Database,
    DeclaredTables,
}

async fn findings<C: ConnectionTrait>(
    db: &C,
    declarations: &[&'static Declaration],
    scope: Scope,
) -> Result<Findings, CatalogError> {
    let mut found = Vec::new();
    let mut vectorizers = Vec::new();
    if catalog::has_catalog(db).await? {
        let mut names = renames::of_today(db).await?;
        let present = catalog::vectorizers(db).await?.into_iter();
        vectorizers.extend(present.map(|vectorizer| compare::Present {
            today: names.remove(&vectorizer.id),
            vectorizer,
        }));
    } else if !declarations.is_empty() {
        found.push(Finding::not_installed());
    }
    let mut declared = Vec::new();
    for declaration in declarations {
        let create = (declaration.vectorizer)();
        let refused = create.check_given().err();
        declared.push(compare::Declared {
            declaration,
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
    Ok(Findings(found))
}
