//! Ids for tests that have no mint: of now, by the real clock, as evidence is aged by its id.

use std::time::SystemTime;

use rand::RngCore;
use uuid::{Builder, Uuid};

use super::{EvidenceId, IncidentId};

#[expect(clippy::disallowed_methods, reason = "tests of what ages run on real time")]
fn uuid() -> Uuid {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let mut random = [0; 10];
    rand::rng().fill_bytes(&mut random);
    Builder::from_unix_timestamp_millis(since.as_millis().try_into().unwrap(), &random).into_uuid()
}

impl EvidenceId {
    pub(crate) fn new() -> Self {
        Self(uuid())
    }
}

impl IncidentId {
    pub(crate) fn new() -> Self {
        Self(uuid())
    }
}
