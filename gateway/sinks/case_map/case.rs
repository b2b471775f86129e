//! What is known of one case at a platform: a line of its map.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::sinks::profile::ToldStep;

/// Replies of one case by which its echoes are known.
pub(super) const REPLIES_MAX: usize = 64;
/// Steps of ours of one case by which they are known when the platform lists them.
const TOLD_MAX: usize = 16;
/// Records of one case that were said and whose pictures are owed: each makes its line a few bytes longer.
pub(in crate::sinks) const SAID_MAX: usize = 256;

/// One case at the platform.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::sinks) struct Case {
    /// It is there: the platform has said so.
    pub(in crate::sinks) open: bool,
    /// A request that opens it went out, and how that ended is not known.
    pub(in crate::sinks) opening: bool,
    /// The platform's id, where it gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::sinks) id: Option<String>,
    /// The last word of the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::sinks) status: Option<String>,
    /// The last revision that was sent, 0 for none.
    pub(in crate::sinks) sent: u32,
    /// The revision that its last reply led to, 0 for none.
    pub(in crate::sinks) received: u32,
    /// So many pieces of evidence were told, or refused for good.
    pub(in crate::sinks) evidence: usize,
    /// Ids of its replies, as the steps of the case carry them.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub(in crate::sinks) replies: VecDeque<String>,
    /// Steps of ours that it was told: what it lists of them is no reply.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub(in crate::sinks) told: VecDeque<ToldStep>,
    /// What the platform's last list had of it, where that was one thing alone, as a digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::sinks) listed: Option<String>,
    /// Revisions that were said but for their pictures: tried again, their pictures alone are sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::sinks) said: Vec<u32>,
    /// It was opened once more, because an answer was lost: the platform may have two ids of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(in crate::sinks) sent_again: bool,
    /// So often its opening was answered yes without an id of it, one after the other.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(in crate::sinks) unnamed: u8,
    /// The revision whose record was set aside for that: it opens nothing any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::sinks) set_aside: Option<u32>,
    /// Nobody does anything more to it.
    pub(in crate::sinks) over: bool,
}

/// As serde asks for it.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_none(times: &u8) -> bool {
    *times == 0
}

impl Case {
    /// What became of it while what was written of it could not be read.
    pub(super) fn add(&mut self, now: &Self) {
        self.open |= now.open;
        self.opening = !self.open && (self.opening || now.opening);
        self.id = self.id.take().or_else(|| now.id.clone());
        self.status = now.status.clone().or_else(|| self.status.take());
        self.sent = self.sent.max(now.sent);
        self.received = self.received.max(now.received);
        self.evidence = self.evidence.max(now.evidence);
        self.replies.extend(now.replies.iter().cloned());
        while self.replies.len() > REPLIES_MAX {
            self.replies.pop_front();
        }
        now.told.iter().for_each(|step| self.will_tell(step.clone()));
        self.listed = now.listed.clone().or_else(|| self.listed.take());
        for revision in &now.said {
            self.say(*revision);
        }
        self.sent_again |= now.sent_again;
        self.unnamed = self.unnamed.max(now.unnamed);
        self.set_aside = self.set_aside.or(now.set_aside);
        self.over = now.over;
    }

    /// A step of ours goes out, perhaps once more.
    pub(in crate::sinks) fn will_tell(&mut self, step: ToldStep) {
        let is_it = |told: &ToldStep| (told.revision, &told.word) == (step.revision, &step.word);
        if !self.told.iter().any(is_it) {
            self.told.push_back(step);
        }
        while self.told.len() > TOLD_MAX {
            self.told.pop_front();
        }
    }

    /// This revision was said, and its pictures are owed. False: so many are owed already that it is not kept.
    pub(in crate::sinks) fn say(&mut self, revision: u32) -> bool {
        if self.said.len() < SAID_MAX && !self.has_said(revision) {
            self.said.push(revision);
        }
        self.has_said(revision)
    }

    /// Of this revision nothing but pictures may be owed.
    pub(in crate::sinks) fn has_said(&self, revision: u32) -> bool {
        self.said.contains(&revision)
    }

    /// It is open again: what it was told before is listed soon, or never.
    pub(in crate::sinks) fn told_counts_until(&mut self, until: Timestamp) {
        self.told.iter_mut().for_each(|told| told.until = told.until.or(Some(until)));
    }

    /// Whether the platform may call it so.
    pub(in crate::sinks) fn may_be_called(&self, id: &str) -> bool {
        self.sent_again || self.id.as_deref().is_none_or(|own| own == id)
    }
}
