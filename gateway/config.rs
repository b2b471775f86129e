//! What was typed becomes what is checked; composes each part's own section; the only reader of the environment.

pub mod env;
mod grids;
mod problem;
mod read;
mod site;

pub use grids::Grids;
pub use problem::Problem;
pub use site::{ButtonConfig, SiteConfig};
