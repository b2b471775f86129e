//! Who may say what: what a message claims is held against what its sender may speak for.
//!
//! A press is never refused. One that names a device which its sender may not speak for alarms as a
//! press of the sender, under a name of its own for each device that is claimed (`WAY/DEVICE`): so it
//! uses up no id of anybody, and two buttons behind a user who is bound wrongly are two calls. What
//! else such a sender says of the device goes to the quarantine, and so do calls taken back, replies
//! and postures of a user of the intake who is not marked for them.
//!
//! Whoever gives no name (`allow_anonymous`), and a user who is bound to nothing, may speak for every
//! device. At a broker the owner of a listed device's own topic speaks for that device; all else there
//! is for the broker's access rules.

use std::{collections::BTreeSet, time::Duration};

use super::codecs::{Codecs, Message};
use crate::{
    base::{Rarely, Readiness},
    domain::{
        Body, Claim, DeviceReport, DeviceStatus, Observation, PressForm, REASON_CHARS_MAX,
        SPEAKS_FOR_MAX, SourceId, SpeaksFor, Stamp, Unreadable, clean_cut,
    },
};

/// Bytes of a message that are kept of what was set aside.
const KEPT_BYTES_MAX: usize = 64 * 1024;
/// One line of the log in so long.
const SAID_EVERY: Duration = Duration::from_secs(10);

/// What a user of the intake may do, by the file of users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Grants {
    /// Devices that he may speak for, by id or as they name themselves. Empty: the file binds him to none.
    pub(super) devices: BTreeSet<String>,
    pub(super) cancel: bool,
    pub(super) reply: bool,
    pub(super) posture: bool,
    /// Persons in whose names his replies are taken.
    pub(super) answers_for: SpeaksFor,
}

/// Whose word a message is.
#[derive(Clone, Copy)]
pub(super) enum Speaker<'s> {
    /// Whoever reaches an intake that asks for no name.
    Anybody,
    /// A user of the intake, known by his password.
    User { name: &'s str, grants: &'s Grants },
    /// Whoever may publish at this broker.
    Broker { id: &'s str },
}

/// A message as its sender may say it.
pub(super) struct Judged {
    /// As many and as those of the message, or fewer; never empty if those were not.
    pub(super) observations: Vec<Observation>,
    /// Why something of it does not count as it was said.
    pub(super) why: Option<String>,
}

/// The devices that a user is bound to; `None`: to nothing.
pub(super) fn bound(codecs: &Codecs, name: &str, grants: &Grants) -> Option<BTreeSet<SourceId>> {
    let owned = codecs.owned_by(name);
    if owned.is_none() && grants.devices.is_empty() {
        return None;
    }
    let named = grants.devices.iter().map(|device| named(codecs, device));
    Some(owned.into_iter().flatten().cloned().chain(named).collect())
}

/// Whether a user is bound to this device; `None`: he is bound to nothing.
pub(super) fn is_bound_to(
    codecs: &Codecs,
    name: &str,
    grants: &Grants,
    source: &SourceId,
) -> Option<bool> {
    let owned = codecs.owned_by(name);
    if owned.is_none() && grants.devices.is_empty() {
        return None;
    }
    let by_id = owned.is_some_and(|owned| owned.contains(source))
        || grants.devices.contains(source.as_str());
    Some(by_id || grants.devices.iter().any(|device| named(codecs, device) == *source))
}

fn named(codecs: &Codecs, device: &str) -> SourceId {
    codecs.listed_id(device).unwrap_or_else(|| SourceId::from(device))
}

/// Whom a message speaks for, and in whose name it counts if it speaks for somebody else.
struct Voice<'s> {
    speaker: Speaker<'s>,
    /// At a broker: the listed device whose topic it is.
    owner: Option<SourceId>,
    way: String,
    /// For people.
    who: String,
}

impl<'s> Voice<'s> {
    /// `None`: it may speak for everybody.
    fn of(codecs: &Codecs, speaker: Speaker<'s>, message: &Message<'_>) -> Option<Self> {
        let (owner, way, who) = match speaker {
            Speaker::Anybody => return None,
            Speaker::User { name, .. } => {
                (None, format!("intake/{name}"), format!("user `{name}`"))
            }
            Speaker::Broker { id } => {
                let owner = codecs.owner_of_topic(message.topic)?;
                let who = format!("whoever speaks on the topic of {owner}");
                (Some(owner.clone()), format!("broker/{id}/{owner}"), who)
            }
        };
        Some(Self { speaker, owner, way, who })
    }

    /// Whether it may speak for the source of this. What nobody could read is named by the way it
    /// came where it names nobody, and claims nothing.
    fn may(&self, codecs: &Codecs, one: &Observation, message: &Message<'_>) -> bool {
        let source = &one.source;
        let unread = match &one.body {
            Body::Unreadable(_) => true,
            Body::Press(press) => matches!(press.form, PressForm::Unreadable { .. }),
            _ => false,
        };
        if unread && source.as_str() == message.via {
            return true;
        }
        match (self.speaker, &self.owner) {
            (Speaker::User { name, grants }, _) => {
                is_bound_to(codecs, name, grants, source).unwrap_or(true)
            }
            // A name of its own that nobody has listed is none of somebody else.
            (_, Some(owner)) => owner == source || !codecs.lists(source.as_str()),
            _ => true,
        }
    }

    /// The devices that it may speak for, the first of them.
    fn speaks_for(&self, codecs: &Codecs) -> Vec<SourceId> {
        let devices = match self.speaker {
            Speaker::User { name, grants } => bound(codecs, name, grants).unwrap_or_default(),
            _ => self.owner.iter().cloned().collect(),
        };
        devices.into_iter().take(SPEAKS_FOR_MAX).collect()
    }
}

/// Holds what a message claims against what its sender may say.
pub(super) fn judge(
    codecs: &Codecs,
    speaker: Speaker<'_>,
    message: &Message<'_>,
    observations: Vec<Observation>,
) -> Judged {
    let Some(voice) = Voice::of(codecs, speaker, message) else {
        return Judged { observations, why: None };
    };
    let (mut kept, mut why) = (Vec::with_capacity(observations.len()), None);
    let mut aside: Option<(Stamp, String)> = None;
    for mut one in observations {
        let reason = not_granted(speaker, &voice, &one.body);
        let foreign = reason.is_none() && !voice.may(codecs, &one, message);
        match (&mut one.body, reason) {
            (_, Some(reason)) => aside = Some((one.stamp, reason)),
            (Body::Reply(reply), None) => {
                if let Speaker::User { grants, .. } = speaker {
                    reply.through = grants.answers_for.through(&voice.who, &reply.by);
                }
                kept.push(one);
            }
            (Body::Posture(_), None) => kept.push(one),
            (Body::Press(press), None) if foreign => {
                why = Some(format!("{} pressed as {}", voice.who, one.source));
                let (device, speaks_for) = (one.source.clone(), voice.speaks_for(codecs));
                one.source = SourceId::from(format!("{}/{device}", voice.way));
                press.claim = Some(Box::new(Claim { device, speaks_for }));
                kept.push(one);
            }
            (Body::Unreadable(_), None) if foreign => {
                one.source = SourceId::from(message.via);
                kept.push(one);
            }
            (_, None) if foreign => {
                let reason = format!("{} may not speak for {}", voice.who, one.source);
                aside = Some((one.stamp, reason));
            }
            (_, None) => kept.push(one),
        }
    }
    if let Some((stamp, reason)) = aside {
        // A press is told already, with all of its message.
        if !kept.iter().any(|one| matches!(one.body, Body::Press(_))) {
            kept.push(set_aside(message, stamp, reason.clone()));
        }
        why = why.or(Some(reason));
    }
    Judged { observations: kept, why }
}

/// Why a user of the intake may not say this at all; brokers have rules of their own.
fn not_granted(speaker: Speaker<'_>, voice: &Voice<'_>, body: &Body) -> Option<String> {
    let Speaker::User { grants, .. } = speaker else { return None };
    let (what, may) = match body {
        Body::Device(DeviceReport { word: DeviceStatus::Cancel, .. }) => {
            ("take calls back (cancel)", grants.cancel)
        }
        Body::Reply(_) => ("answer cases (reply)", grants.reply),
        Body::Posture(_) => ("order postures (posture)", grants.posture),
        _ => return None,
    };
    (!may).then(|| format!("{} is not marked as one who may {what}", voice.who))
}

fn set_aside(message: &Message<'_>, stamp: Stamp, reason: String) -> Observation {
    let kept = message.payload.len().min(KEPT_BYTES_MAX);
    let body = Body::Unreadable(Unreadable {
        origin: clean_cut(&format!("{} {}", message.via, message.topic), REASON_CHARS_MAX),
        reason: clean_cut(&reason, REASON_CHARS_MAX),
        payload: message.payload[..kept].to_vec(),
    });
    Observation { source: SourceId::from(message.via), stamp, body }
}

/// How often somebody said what is not his to say: in the log, and in a note of `/readyz`.
pub(super) struct NotTheirs {
    count: u64,
    said: Rarely,
}

impl Default for NotTheirs {
    fn default() -> Self {
        Self { count: 0, said: Rarely::every(SAID_EVERY) }
    }
}

impl NotTheirs {
    pub(super) fn tell(&mut self, readiness: &Readiness, part: &str, why: &str) {
        self.count += 1;
        let (count, why) = (self.count, clean_cut(why, REASON_CHARS_MAX));
        readiness.note(part, &format!("{count} messages; the last: {why}"));
        if let Some(more) = self.said.say() {
            tracing::warn!(why, more, "{part}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{IncidentId, Now, ReplyTo};

    #[test]
    fn a_user_answers_in_the_names_of_his_persons_and_his_other_replies_are_claims() {
        let now = Now { wall: jiff::Timestamp::UNIX_EPOCH, mono_ms: 0 };
        let codecs = Codecs::new(&"x".into(), &[], &[]);
        let topic = "gridpost/x/reply";
        let message = Message { topic, payload: b"{}", retained: false, via: "intake/desk" };
        let of = |grants: &Grants, by: &str| {
            let reply = crate::domain::Reply::new(IncidentId::new(), ReplyTo::Handled, by);
            let body = Body::Reply(reply);
            let one = Observation { source: by.into(), stamp: Stamp::of_gateway(now), body };
            let speaker = Speaker::User { name: "desk", grants };
            let judged = judge(&codecs, speaker, &message, vec![one]);
            let Body::Reply(reply) = judged.observations[0].body.clone() else { panic!() };
            reply.through
        };
        let some = SpeaksFor::of(["王警官".to_owned()]);
        let bound = Grants { reply: true, answers_for: some, ..Grants::default() };
        let free = Grants { reply: true, ..Grants::default() };
        assert_eq!(of(&free, "李"), None);
        let own = of(&bound, "王 警官").unwrap();
        assert!(own.speaks_for && own.sender == "user `desk`");
        assert!(!of(&bound, "李").unwrap().speaks_for);
    }
}
