//! What the pages of our own HTML share: text in it, and what such a page may load.

use base64::Engine;
use sha2::{Digest, Sha256};

/// A text as HTML: what it says, and nothing that it does.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// No script, no frame, nothing from anywhere else, and no style but this one; `more` of directives, each with
/// its `; `.
pub(super) fn policy(style: &str, more: &str) -> String {
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(style));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; {more}form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}
