//! The command `pgai-sea`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pgai_sea::__main()
}
