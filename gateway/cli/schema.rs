//! `gridpost schema`: JSON Schema of the configuration and of the event, and OpenAPI of the web, from the types themselves.

use super::{Failure, print_line};
use crate::{config, domain, runtime};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Which; both without it, as `{"config": …, "event": …}`.
    #[arg(value_enum)]
    which: Option<Which>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Which {
    Config,
    Event,
    /// OpenAPI 3.1 of the web.
    Api,
}

/// Runs the command; the error is printed and sets the exit code.
pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    let schema = match args.which {
        Some(Which::Config) => serde_json::to_value(config::schema()),
        Some(Which::Api) => Ok(runtime::api_schema()),
        Some(Which::Event) => serde_json::to_value(domain::event_schema()),
        None => serde_json::to_value(serde_json::json!({
            "config": config::schema(),
            "event": domain::event_schema(),
        })),
    };
    let text = schema
        .and_then(|schema| serde_json::to_string_pretty(&schema))
        .map_err(|error| Failure::Other(error.to_string()))?;
    print_line(&text)
}
