//! Arguments → config → runtime → exit code, nothing else.

fn main() {
    gridpost::cli::main()
}
