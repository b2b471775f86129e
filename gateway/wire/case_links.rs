//! Signed links by which one person answers one case: made, read, and revoked by a file beside their key.
//!
//! A link holds which case, until when, and for whom, and a code over these that only this gateway can
//! make (HMAC-SHA256, cut to 96 bits). Nothing is kept of a link that was made: the key in the data
//! folder is all there is, so that links outlive a restart. Of the person it holds a code too, and the
//! names that codes may stand for are those of the configuration: who leaves it has no link any more.
//!
//! Texts of emergencies are made with links: making one never touches the disk, nor waits for who reads it.
//! The keys are in memory; [`CaseLinks::refresh`] takes them from disk, and whoever opens a link or keeps
//! watch calls it.

mod code;
mod keys;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use crate::domain::{IncidentId, Now};

pub use code::{CODE_CHARS, LINK_PATH};
use code::{Code, PersonTag};
use keys::Keys;
pub(super) use keys::write_private;
pub use keys::{revoke, revoke_all};

/// What `[links]` says of the links themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSettings {
    /// Where phones reach the page, without the path of a link.
    pub url: String,
    /// So long a link is good, hours.
    pub valid_h: u32,
}

/// Whose link it is, and for which case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkOf {
    /// By name, as the configuration has it.
    pub person: String,
    /// The one case.
    pub incident: IncidentId,
    /// The same for all links of this person, and says nothing of who that is.
    pub mark: String,
    /// From then on it is no good.
    pub until: Timestamp,
}

/// Why there is no link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoLink {
    /// `[links]` is not in the configuration.
    #[error("[links] is not in the configuration")]
    Off,
    /// A link is bound to somebody whom the site names.
    #[error(
        "no such person: expected a name of the duty list, of [[life.contact]], of [routing], or of a grid's head or worker"
    )]
    Unknown,
    /// Until when it is good cannot be said.
    #[error("the gateway's clock is wrong: it cannot be said until when a link would be good")]
    Clock,
    /// The key cannot be read or made.
    #[error("{0}")]
    Key(String),
}

/// Why a link is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadLink {
    /// Cut off, changed, of another gateway, revoked, or of somebody who is not named any more.
    Wrong,
    /// The key or what was revoked cannot be read: nobody knows what it is.
    NoKeys,
    /// It was good until its time.
    Expired,
}

#[derive(Default)]
struct State {
    settings: Option<LinkSettings>,
    people: BTreeSet<String>,
    keys: Option<Arc<Keys>>,
    /// Why there are none.
    no_keys: String,
    /// Of the people, under these keys.
    tags: BTreeMap<PersonTag, String>,
}

impl State {
    fn take(&mut self, keys: Option<Arc<Keys>>) {
        let tag = |name: &String| keys.as_ref().map(|k| (PersonTag::of(k, name), name.clone()));
        self.tags = self.people.iter().filter_map(tag).collect();
        self.keys = keys;
    }
}

/// All links of this gateway.
pub struct CaseLinks {
    data: PathBuf,
    /// Held for work in memory alone.
    state: Mutex<State>,
    /// Held by whoever reads the disk.
    reading: Mutex<()>,
}

impl CaseLinks {
    /// Of this data folder; there are none until it is configured.
    pub fn at(data: &Path) -> Arc<Self> {
        Arc::new(Self { data: data.into(), state: Mutex::default(), reading: Mutex::default() })
    }

    /// What counts from now on. The error is that there is no key: links are made once there is one.
    pub fn configure(
        &self,
        settings: Option<LinkSettings>,
        people: BTreeSet<String>,
    ) -> Result<(), NoLink> {
        {
            let mut state = self.state();
            (state.settings, state.people) = (settings, people);
            let keys = state.keys.take();
            state.take(keys);
        }
        self.refresh()
    }

    /// Takes the keys as they are on disk by now; the error is that there are none, and no link is good then.
    /// Blocks on the disk.
    pub fn refresh(&self) -> Result<(), NoLink> {
        let _alone = locked(&self.reading);
        let known = {
            let state = self.state();
            if state.settings.is_none() {
                return Ok(());
            }
            state.keys.clone()
        };
        if known.is_some_and(|keys| keys.are_as_on_disk()) {
            return Ok(());
        }
        let read = Keys::load_or_make(&self.data);
        let mut state = self.state();
        match read {
            Ok(keys) => {
                state.take(Some(Arc::new(keys)));
                Ok(())
            }
            Err(why) => {
                state.take(None);
                state.no_keys.clone_from(&why);
                Err(NoLink::Key(why))
            }
        }
    }

    /// The link of this person to this case, as an address, and until when it is good. Of the keys that were
    /// read last, and so without the disk.
    pub fn make(
        &self,
        person: &str,
        incident: IncidentId,
        at: Timestamp,
    ) -> Result<(String, Timestamp), NoLink> {
        let state = self.state();
        let settings = state.settings.clone().ok_or(NoLink::Off)?;
        if !state.people.contains(person) {
            return Err(NoLink::Unknown);
        }
        if !Now::is_plausible(at) {
            return Err(NoLink::Clock);
        }
        let keys = state.keys.as_ref().ok_or_else(|| NoLink::Key(state.no_keys.clone()))?;
        let span = SignedDuration::from_hours(settings.valid_h.into());
        let until = at.saturating_add(span).map_err(|_| NoLink::Clock)?;
        let code = Code::new(keys, person, incident, until);
        let base = settings.url.trim_end_matches('/');
        Ok((format!("{base}{LINK_PATH}{}", code.text()), code.until()))
    }

    /// Whose link this is, by the last part of its address and the keys that were read last.
    pub fn read(&self, text: &str, at: Timestamp) -> Result<LinkOf, BadLink> {
        let state = self.state();
        if state.settings.is_none() {
            return Err(BadLink::Wrong);
        }
        let code = Code::parse(text).ok_or(BadLink::Wrong)?;
        let keys = state.keys.as_ref().ok_or(BadLink::NoKeys)?;
        let person = state.tags.get(&code.person).ok_or(BadLink::Wrong)?;
        if !code.is_of(keys, person) {
            return Err(BadLink::Wrong);
        }
        // A clock that stands at 1970 says nothing of how late it is.
        if Now::is_plausible(at) && at >= code.until() {
            return Err(BadLink::Expired);
        }
        let until = code.until();
        let mark = code.person.to_string();
        Ok(LinkOf { person: person.clone(), incident: code.incident, mark, until })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
