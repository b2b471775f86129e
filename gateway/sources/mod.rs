//! the outside becomes packets or observations.
