//! The elbo program.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(elbo::cli::main())
}
