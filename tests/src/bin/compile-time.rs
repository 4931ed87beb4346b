//! What the derive costs who compiles: twenty entities with it, beside the same with their companions written by hand,
//! and beside the entities alone. `cargo run -p pgai-sea-tests --bin compile-time [rounds]`; see the tests' README.

#![allow(clippy::print_stdout, reason = "a program that prints figures")]

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const ENTITIES: usize = 20;

const WORKSPACE: &str = r#"
[workspace]
resolver = "3"
members = ["alone", "by-hand", "derived"]
[workspace.dependencies]
pgai-sea = { path = LIBRARY }
sea-orm = { version = "2.0", default-features = false, features = ["macros", "runtime-tokio-rustls", "sqlx-postgres"] }
"#;

const MANIFEST: &str = r#"
[package]
name = "NAME"
edition = "2024"
[dependencies]
pgai-sea.workspace = true
sea-orm.workspace = true
"#;

const ALONE: &str = r#"
use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "posts_N")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    pub title: String,
    pub content: String,
}

impl ActiveModelBehavior for ActiveModel {}
"#;

/// What the derive writes, as someone would who has SeaORM's derives to write it with.
const COMPANION: &str = r#"
pub mod content_embeddings {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "posts_N_embedding_store")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub embedding_uuid: Uuid,
        pub id: i32,
        pub chunk_seq: i32,
        #[sea_orm(column_type = "Text")]
        pub chunk: String,
        #[sea_orm(column_type = "Vector(Some(768))")]
        pub embedding: PgVector,
        #[sea_orm(belongs_to, from = "id", to = "id", skip_fk)]
        pub source: BelongsTo<super::Entity>,
    }

    impl ActiveModelBehavior for ActiveModel {}

    impl pgai_sea::__private::Sealed for Entity {}

    impl pgai_sea::EmbeddingTrait for Entity {
        type Source = super::Entity;
        const DECLARATION: pgai_sea::__private::Declaration = pgai_sea::__private::Declaration::new(
            module_path!(),
            (None, "posts_N"),
            "content",
            768,
            pgai_sea::__private::DeclaredDestination::Table {
                target_schema: None,
                target_table: "posts_N_embedding_store",
                view_schema: None,
                view_name: "posts_N_embedding",
                halfvec: false,
            },
            Self::vectorizer,
        );
        fn vectorizer() -> pgai_sea::CreateVectorizer { pgai_sea::CreateVectorizer::new("posts_N") }
        fn source_column() -> super::Column { super::Column::Content }
        fn embedding_column() -> Column { Column::Embedding }
        fn key_columns() -> Vec<Column> { vec![Column::Id] }
        fn uuid_column() -> Option<Column> { Some(Column::EmbeddingUuid) }
        fn chunk_seq_column() -> Option<Column> { Some(Column::ChunkSeq) }
        fn chunk_column() -> Option<Column> { Some(Column::Chunk) }
        fn source_relation() -> Option<RelationDef> { Some(<Self as Related<super::Entity>>::to()) }
    }

    impl pgai_sea::__private::Searched for Entity {
        type Embeddings = Self;
        type Projection = pgai_sea::__private::Chunks;
    }
}

impl Related<content_embeddings::Entity> for Entity {
    fn to() -> RelationDef { Entity::has_many(content_embeddings::Entity).skip_fk().into() }
}

impl pgai_sea::__private::Searched for Entity {
    type Embeddings = content_embeddings::Entity;
    type Projection = pgai_sea::__private::WithSource;
    const BEST_PER_SOURCE: bool = true;
}
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let rounds: usize = std::env::args().nth(1).map_or(Ok(7), |rounds| rounds.parse())?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let folder = root.join("target/compile-time");
    let derived = ALONE
        .replace("DeriveEntityModel)", "DeriveEntityModel, pgai_sea::Vectorizer)")
        .replace("pub content", "#[vectorizer(dimensions = 768)] pub content");
    let by_hand = format!("{ALONE}{COMPANION}");
    let crates = [("alone", ALONE), ("by-hand", &by_hand), ("derived", &derived)];
    for (name, entity) in crates {
        std::fs::create_dir_all(folder.join(name).join("src"))?;
        std::fs::write(folder.join(name).join("Cargo.toml"), MANIFEST.replace("NAME", name))?;
        std::fs::write(folder.join(name).join("src/lib.rs"), "")?;
        for n in 0..ENTITIES {
            let file = folder.join(name).join(format!("src/posts_{n}.rs"));
            std::fs::write(file, entity.replace("posts_N", &format!("posts_{n}")))?;
        }
    }
    // a workspace of its own: what is compiled for it is not what the tests run
    let library = serde_json::to_string(&root.join("pgai-sea"))?; // quoted
    std::fs::write(folder.join("Cargo.toml"), WORKSPACE.replace("LIBRARY", &library))?;
    std::fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let mut times = [const { Vec::new() }; 3];
    for round in 0..=rounds {
        for (times, (name, _)) in times.iter_mut().zip(&crates) {
            let time = check(&folder, name, round)?;
            if round > 0 {
                times.push(time); // the first compiles what they depend on
            }
        }
    }
    let [alone, by_hand, derived] = times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64()
    });
    println!("cargo check of {ENTITIES} entities, the median of {rounds}:");
    println!("alone {alone:.2} s, companions by hand {by_hand:.2} s, derived {derived:.2} s");
    println!("derived / by hand: {:.2}", derived / by_hand);
    println!("of the companions alone: {:.2}", (derived - alone) / (by_hand - alone));
    Ok(())
}

/// The whole crate anew: its root differs from that of the last time.
fn check(folder: &Path, name: &str, round: usize) -> Result<Duration, Box<dyn Error>> {
    let modules: String = (0..ENTITIES).map(|n| format!("pub mod posts_{n};\n")).collect();
    let root = folder.join(name).join("src/lib.rs");
    std::fs::write(root, format!("// {round}\n{modules}"))?;
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["check", "--quiet", "--offline", "--package", name]);
    cargo.current_dir(folder).env("CARGO_INCREMENTAL", "0");
    let start = Instant::now();
    let status = cargo.status()?;
    let failed = || format!("{name} does not compile: {status}").into();
    status.success().then(|| start.elapsed()).ok_or_else(failed)
}
