//! The command `pgai-sea`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    pgai_sea::__main().await
}
