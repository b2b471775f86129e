//! What could not be read, as it came in. Pure data.

/// Raw bytes that no codec could read.
#[derive(Clone, Debug, PartialEq)]
pub struct Unreadable {
    /// Where it came in: `intake btn/1`, `broker upstream gridpost/…`.
    pub origin: String,
    /// What was wrong, where, and what was expected.
    pub reason: String,
    /// The first bytes of it, bounded by the source.
    pub payload: Vec<u8>,
}
