//! What a district counts of its cases: closed, in time, sent to the right department, and how long each step took.
//!
//! All of it is computed from lines of cases ([`crate::domain::CaseLine`]) when it is asked for; nothing
//! is a counter. What each figure means, with its formula, is in `docs/figures.md`.

mod columns;
mod counts;
mod csv_text;
mod outages;
mod query;
mod table;
#[cfg(test)]
mod tests;
mod workbook;

pub use counts::{CaseCounts, StepTimes};
pub use csv_text::csv_text;
pub use outages::Outages;
pub use query::{FiguresQuery, Period, Split};
pub use table::{FigureGroup, FigureRow, Figures, LeftOut, figures};
pub use workbook::workbook;
