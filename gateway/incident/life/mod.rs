//! The life of a case with the grid 网格: one table of the steps that are possible, and what each does. Pure.

mod config;
mod table;
#[cfg(test)]
mod tests_table;

pub use config::Config;
pub(super) use table::{Case, Move, asks_for, next};
