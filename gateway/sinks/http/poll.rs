//! Asks a platform for its replies; what they say goes where all replies go.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use super::{platform::Config, talk::Talk};
use crate::sinks::profile::Profile;

/// A connection of its own that asks for replies.
pub struct Poller {
    talk: Talk,
    every: Duration,
}

impl Poller {
    /// None: the profile does not ask.
    pub(in crate::sinks) fn new(config: &Config) -> Option<Self> {
        let talk = config.talk()?;
        let every = Duration::from_secs(talk.profile.polls()?.every_s);
        Some(Self { talk, every })
    }

    /// Between two questions.
    pub fn every(&self) -> Duration {
        self.every
    }

    /// How answers are read.
    pub fn profile(&self) -> Arc<Profile> {
        self.talk.profile.clone()
    }

    /// One question; the answer as it came, or why there is none.
    pub async fn ask(&mut self, cursor: &str) -> Result<Value, String> {
        self.talk.replies(cursor).await
    }
}
