//! one file a subcommand.
