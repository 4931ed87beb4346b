//! The migrations of the documentation's example: `blog_posts`, and the vectorizer that keeps its content searchable.

pub use sea_orm_migration::prelude::*;

mod m20260101_000001_install_pgai;
mod m20260101_000002_create_blog_posts;
mod m20260101_000003_vectorize_blog_posts;

/// Lists the migrations in their order.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20260101_000001_install_pgai::Migration),
            Box::new(m20260101_000002_create_blog_posts::Migration),
            Box::new(m20260101_000003_vectorize_blog_posts::Migration),
        ]
    }
}
