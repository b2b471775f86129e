//! the web API.
