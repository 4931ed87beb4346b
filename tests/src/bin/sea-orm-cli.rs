//! SeaORM's command: `sea-orm-cli`.

#[tokio::main]
async fn main() {
    sea_orm_cli::main().await;
}
