//! What the entities of a program declare, and the tables that they so manage.

use super::declaration::{Declaration, DeclaredDestination};

/// An entry of the registry. Its field is what the derive fills in.
#[doc(hidden)]
#[derive(Debug)]
pub struct Registered(pub &'static Declaration);

inventory::collect!(Registered);

/// The vectorizers that are declared in the program, in the order of their modules' paths.
///
/// They are those of every crate that is linked into it. A crate of entities of which nothing is ever named is left out
/// by the linker, and its declarations with it.
#[must_use]
pub fn declarations() -> Vec<&'static Declaration> {
    let mut declarations: Vec<_> = inventory::iter::<Registered>().map(|registered| registered.0).collect();
    declarations.sort_by_key(|declaration| (declaration.module, declaration.source_table));
    declarations
}

/// The table and the view of a declared vectorizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct ManagedTable {
    /// The table's schema. `None`: the source's, wherever that is along the search path.
    pub schema: Option<&'static str>,
    /// The table that holds the embeddings.
    pub store: &'static str,
    /// The view's schema. `None`: the source's.
    pub view_schema: Option<&'static str>,
    /// The view that joins embeddings and rows.
    pub view: &'static str,
}

/// The tables that the vectorizers of this program's entities manage, without asking a database: what code generators
/// and tools for schemas should leave alone. A column destination manages none.
///
/// ```
/// mod blog_post {
///     use pgai_sea::Vectorizer;
///     use sea_orm::entity::prelude::*;
///
///     #[sea_orm::model]
///     #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
///     #[sea_orm(table_name = "blog_posts")]
///     pub struct Model {
///         #[sea_orm(primary_key)]
///         pub id: i32,
///         #[vectorizer(dimensions = 768)]
///         pub content: String,
///     }
///
///     impl ActiveModelBehavior for ActiveModel {}
/// }
///
/// # fn main() {
/// let tables = pgai_sea::managed_tables();
/// let managed = tables.iter().find(|table| table.store == "blog_posts_embedding_store").unwrap();
/// assert_eq!((managed.schema, managed.view), (None, "blog_posts_embedding"));
/// # }
/// ```
#[must_use]
pub fn managed_tables() -> Vec<ManagedTable> {
    let mut tables: Vec<_> = declarations()
        .into_iter()
        .filter_map(|declaration| match declaration.destination {
            DeclaredDestination::Column { .. } => None,
            DeclaredDestination::Table {
                target_schema,
                target_table,
                view_schema,
                view_name,
                ..
            } => Some(ManagedTable {
                schema: target_schema,
                store: target_table,
                view_schema,
                view: view_name,
            }),
        })
        .collect();
    tables.sort_unstable();
    tables.dedup();
    tables
}
