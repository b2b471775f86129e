//! the only place that knows everyone.
