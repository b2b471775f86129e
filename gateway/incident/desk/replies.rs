//! The grid's answers: each moves a case one step, the same one twice has one effect.

use super::{super::deadline, Desk, Effects};
use crate::domain::{Answer, Entry, IncidentId, Kind, Now, Reply, Stage, What};

/// Replies remembered, so that the same one twice has one effect.
const REPLIES_MAX: usize = 10_000;
/// Closed incidents kept in memory for late replies (reopened, repeated).
const CLOSED_MAX: usize = 1_000;

impl Desk {
    /// A reply of the grid: the case moves one step, or the answer says why not.
    pub(super) fn reply(&mut self, now: Now, reply: &Reply, effects: &mut Effects) {
        let Some(live) = self.live.get_mut(&reply.incident) else {
            effects.answer = Answer::NoSuchIncident;
            return;
        };
        let reply_id = reply.id.clone().map(|id| (reply.incident, id));
        let again = reply_id.as_ref().is_some_and(|one| self.replies.contains(one));
        match deadline::step(live.incident.stage, reply.to) {
            _ if again => {}
            // A reply without an id that asks for the stage it has: the same one twice.
            Err(_)
                if reply.id.is_none()
                    && format!("{:?}", live.incident.stage) == format!("{:?}", reply.to) => {}
            Err(reason) => {
                effects.answer = Answer::Refused(reason);
                return;
            }
            Ok((stage, what)) => {
                if live.hold_until_ms.is_some() {
                    effects.entries.push(live.record(now, What::Opened));
                }
                effects.entries.extend(live.tell_news(now));
                live.incident.stage = stage;
                live.incident.detail.insert("by".into(), reply.by.clone().into());
                if let Some(note) = &reply.note {
                    live.incident.detail.insert("note_of_reply".into(), note.clone().into());
                }
                // A press is over when a person says so; what a camera sees ends by itself.
                let over = matches!(stage, Stage::Closed | Stage::Dismissed);
                if over && live.incident.active && live.incident.kind == Kind::EmergencyButton {
                    live.end(now, now.wall.max(live.incident.began_at));
                }
                effects.entries.push(Entry::Reply { reply: reply.clone(), at: now.wall });
                effects.entries.push(live.record(now, what));
                effects.answer = Answer::Changed(Box::new(live.incident.clone()));
                if over && !live.incident.active {
                    let (key, many) = (live.incident.key.clone(), live.incident.sources.len() > 1);
                    self.forget_keys(reply.incident, &key, many);
                    self.retire(reply.incident);
                }
                if let Some(reply_id) = reply_id {
                    self.remember_reply(reply_id);
                }
                return;
            }
        }
        effects.answer = Answer::Changed(Box::new(live.incident.clone()));
    }

    /// Remembers the id of a reply, so that the same one has one effect.
    pub(super) fn remember_reply(&mut self, reply_id: (IncidentId, String)) {
        if self.replies.insert(reply_id.clone()) {
            self.reply_order.push_back(reply_id);
        }
        while self.reply_order.len() > REPLIES_MAX {
            if let Some(old) = self.reply_order.pop_front() {
                self.replies.remove(&old);
            }
        }
    }

    /// A closed case is kept for a while, for replies that come late, and then forgotten here (the
    /// store still has it).
    pub(super) fn retire(&mut self, id: IncidentId) {
        self.closed.push_back(id);
        while self.closed.len() > CLOSED_MAX {
            let Some(old) = self.closed.pop_front() else { break };
            let still_closed = self.live.get(&old).is_some_and(|live| {
                matches!(live.incident.stage, Stage::Closed | Stage::Dismissed)
            });
            if still_closed {
                self.live.remove(&old);
            }
        }
    }
}
