//! observations become findings; pure.
