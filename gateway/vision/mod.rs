//! pictures become tracks.
