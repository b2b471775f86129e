//! The life of a case with the grid 网格: one table of the steps that are possible, what each does, and within
//! what time. Pure.

mod config;
mod lengths;
mod limits;
mod table;
#[cfg(test)]
mod tests_table;
mod whom;

pub use config::{Config, Contact, LimitRow};
pub(super) use limits::Anchors;
pub use limits::Limits;
pub(super) use table::{Case, Move, asks_for, next};
