//! What was typed becomes what is checked.
