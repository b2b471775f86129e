//! the point of no loss.
