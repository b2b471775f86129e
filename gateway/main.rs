//! Arguments → config → runtime → exit code, nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    gridpost::cli::main()
}
