//! Identifiers: short names chosen by the installer, and time-ordered UUIDs minted by us.

use std::{fmt, sync::Arc};

use rand::{RngCore, SeedableRng, rngs::StdRng};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

use super::Now;

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);
        impl $name {
            /// The id as it was typed.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }
        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema, Debug,
        )]
        #[serde(transparent)]
        pub struct $name(#[schemars(with = "String")] pub Uuid);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

name_id!(
    /// One police room and what it watches.
    SiteId
);
name_id!(
    /// A camera, button, gauge or other device.
    SourceId
);
name_id!(
    /// A rule of the configuration.
    RuleId
);
name_id!(
    /// A sink of the configuration.
    SinkId
);
uuid_id!(
    /// An incident.
    IncidentId
);
uuid_id!(
    /// A piece of evidence: a snapshot or a clip.
    EvidenceId
);
uuid_id!(
    /// One export of an incident as a package.
    ExportId
);

impl EvidenceId {
    /// Under which the original of this blurred picture is kept: its neighbour, which no mint makes, since it
    /// would have to draw 62 of 62 random bits right.
    pub fn of_original(self) -> Self {
        Self(Uuid::from_u128(self.0.as_u128() ^ 1))
    }
}

/// Mints ids: UUIDv7 of `now`, the random part from a generator with a seed. A running gateway
/// takes its seed from the system; a replay has a fixed one, so that the same input makes the same
/// ids. Ids of one millisecond count up: what is walked in the order of ids is walked in the order
/// in which it was made.
pub struct IdMint {
    random: StdRng,
    /// Milliseconds since 1970 of the latest id, and how many were made in them before it.
    latest: (u64, u16),
}

impl IdMint {
    /// The same seed makes the same random parts.
    pub fn new(seed: [u8; 32]) -> Self {
        Self { random: StdRng::from_seed(seed), latest: (0, 0) }
    }

    /// Sorts by the time it was made. A wall clock before 1970 counts as 1970.
    pub fn uuid(&mut self, now: Now) -> Uuid {
        let ms = u64::try_from(now.wall.as_millisecond()).unwrap_or(0);
        let (before_ms, count) = self.latest;
        // Twelve bits are left for it; one observation makes a few ids.
        let count = if ms == before_ms { count.saturating_add(1).min(0xfff) } else { 0 };
        self.latest = (ms, count);
        let mut bytes = [0; 10];
        self.random.fill_bytes(&mut bytes);
        bytes[..2].copy_from_slice(&count.to_be_bytes());
        Builder::from_unix_timestamp_millis(ms, &bytes).into_uuid()
    }

    /// A new incident, at this time.
    pub fn incident(&mut self, now: Now) -> IncidentId {
        IncidentId(self.uuid(now))
    }

    /// A new piece of evidence, at this time.
    pub fn evidence(&mut self, now: Now) -> EvidenceId {
        EvidenceId(self.uuid(now))
    }

    /// A new export, at this time.
    pub fn export(&mut self, now: Now) -> ExportId {
        ExportId(self.uuid(now))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn at(ms: i64) -> Now {
        Now { wall: Timestamp::from_millisecond(ms).unwrap(), mono_ms: 0 }
    }

    #[test]
    fn ids_are_uuids_of_their_time_and_the_same_for_the_same_seed() {
        let (mut one, mut other) = (IdMint::new([7; 32]), IdMint::new([7; 32]));
        let ids: Vec<Uuid> = (0..1_000).map(|n| one.uuid(at(1_782_874_800_000 + n / 10))).collect();
        let again: Vec<Uuid> =
            (0..1_000).map(|n| other.uuid(at(1_782_874_800_000 + n / 10))).collect();
        assert_eq!(ids, again);
        assert!(ids.iter().all(|id| id.get_version_num() == 7), "{}", ids[0]);
        assert!(ids.is_sorted(), "in the order in which they were made");
        let mut different = ids.clone();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), 1_000, "in one millisecond too");
        assert_ne!(IdMint::new([8; 32]).uuid(at(0)), IdMint::new([7; 32]).uuid(at(0)));
        assert_eq!(one.uuid(at(-5)).get_version_num(), 7, "a clock that is very wrong");
        // More in one millisecond than can be counted are different all the same.
        let many: std::collections::BTreeSet<Uuid> = (0..10_000).map(|_| one.uuid(at(7))).collect();
        assert_eq!(many.len(), 10_000);
    }
}
