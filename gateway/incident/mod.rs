//! findings become changes of incidents; pure.
