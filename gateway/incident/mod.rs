//! Findings become changes of incidents; the one owner of live incidents. Pure: no I/O, `now` is an argument.

mod deadline;
mod desk;
mod gauges;
mod live;
mod presses;
#[cfg(test)]
mod tests_random;
mod titles;

pub use desk::{Desk, Directory, Job, Outcome};
