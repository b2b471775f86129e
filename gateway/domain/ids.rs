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

/// Mints ids: UUIDv7 of `now`, the random part from a generator with a seed. A running gateway
/// takes its seed from the system; a replay has a fixed one, so that the same input makes the same
/// ids.
pub struct IdMint {
    random: StdRng,
}

impl IdMint {
    /// The same seed makes the same random parts.
    pub fn new(seed: [u8; 32]) -> Self {
        Self { random: StdRng::from_seed(seed) }
    }

    /// Sorts by the time it was made, to the millisecond. A wall clock before 1970 counts as 1970.
    pub fn uuid(&mut self, now: Now) -> Uuid {
        let mut random = [0; 10];
        self.random.fill_bytes(&mut random);
        let ms = u64::try_from(now.wall.as_millisecond()).unwrap_or(0);
        Builder::from_unix_timestamp_millis(ms, &random).into_uuid()
    }

    /// A new incident, at this time.
    pub fn incident(&mut self, now: Now) -> IncidentId {
        IncidentId(self.uuid(now))
    }

    /// A new piece of evidence, at this time.
    pub fn evidence(&mut self, now: Now) -> EvidenceId {
        EvidenceId(self.uuid(now))
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
        assert!(ids[..10].iter().all(|id| ids[10..].iter().all(|later| id < later)), "they sort");
        let mut different = ids.clone();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), 1_000, "in one millisecond too");
        assert_ne!(IdMint::new([8; 32]).uuid(at(0)), IdMint::new([7; 32]).uuid(at(0)));
        assert_eq!(one.uuid(at(-5)).get_version_num(), 7, "a clock that is very wrong");
    }
}
