//! `gridpost clean-picture`: a stranger's picture on stdin, decoded where nothing can be lost; hidden, for the gateway itself.

use std::io::{Read, Write, stdin, stdout};

use super::Failure;
use crate::media::{FOREIGN_PICTURE_BYTES_MAX, Refused, be_confined, cleaned_here, told_to_parent};

/// Runs the command. A picture that is refused is an answer, and no failure.
pub(crate) fn main() -> Result<(), Failure> {
    be_confined().map_err(Failure::Other)?;
    let mut bytes = Vec::new();
    let most = FOREIGN_PICTURE_BYTES_MAX as u64 + 1;
    let read = stdin().lock().take(most).read_to_end(&mut bytes);
    let outcome = match read {
        Ok(_) => cleaned_here(&bytes),
        Err(_) => Err(Refused::NotNow),
    };
    let mut out = stdout().lock();
    out.write_all(&told_to_parent(outcome))
        .and_then(|()| out.flush())
        .map_err(|error| Failure::Other(format!("cannot write to stdout: {error}")))
}
