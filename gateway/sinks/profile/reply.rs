//! A reply of a platform: where its fields are, and which of our steps its word is.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Profile, values::text};
use crate::domain::{DismissReason, EventData, IncidentId, ReplyTo};

/// Characters of an id or a word that are read.
const TEXT_CHARS_MAX: usize = 200;
/// Characters of a note.
const NOTE_CHARS_MAX: usize = 2_000;
/// Replies of one message that is pushed.
const ITEMS_MAX: usize = 1_000;
/// Replies of one answer to a question: the last ones. Twice as many fit among those that were dealt with.
const POLLED_MAX: usize = 4_000;

/// Questions within which a platform has listed what it was told.
const LISTED_WITHIN_QUESTIONS: u64 = 5;

/// What a word of the platform means.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum Word {
    /// A step, or `ignore`: it is known, and nothing to us.
    Step(String),
    /// A step with its reason.
    Reasoned {
        /// The step.
        to: ReplyTo,
        /// Why it is dismissed.
        reason: DismissReason,
    },
}

impl Word {
    /// The step; none: it is nothing to us.
    fn step(&self) -> Option<(ReplyTo, Option<DismissReason>)> {
        match self {
            Self::Step(name) => Some((step_of(name)?, None)),
            Self::Reasoned { to, reason } => Some((*to, Some(*reason))),
        }
    }

    /// What is wrong with it.
    pub(super) fn problem(&self) -> Option<String> {
        match self {
            Self::Step(name) if name != IGNORE && step_of(name).is_none() => Some(format!(
                "`{name}`: expected a step of a reply (accepted, dispatched, …) or ignore"
            )),
            _ => None,
        }
    }
}

const IGNORE: &str = "ignore";

fn step_of(name: &str) -> Option<ReplyTo> {
    serde_json::from_value(name.into()).ok()
}

/// JSON pointers into one reply.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pointers {
    /// Our id of the incident.
    incident: Option<String>,
    /// The platform's id of the case.
    case: Option<String>,
    /// The platform's own id of this reply.
    id: Option<String>,
    /// Its word.
    status: String,
    by: Option<String>,
    note: Option<String>,
    department: Option<String>,
    /// By what a step of ours is known that the platform lists among its own.
    own: Option<Own>,
    /// It lists steps of ours and has no mark of them: each is known once, by its word, person and note.
    lists_ours: Option<bool>,
}

/// How a platform shows that a step came from us.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Own {
    /// JSON pointer to what our request had there.
    at: String,
    /// What stands there then; empty: the event id of the request, `{{ event_id }}`.
    #[serde(default)]
    is: Vec<Value>,
}

impl Own {
    fn is_in(&self, item: &Value) -> bool {
        let Some(found) = item.pointer(&self.at).and_then(text) else { return false };
        match self.is.is_empty() {
            true => is_event_id(&found),
            false => self.is.iter().filter_map(text).any(|one| one == found),
        }
    }
}

/// `<incident>.<revision>`, as no platform makes one.
fn is_event_id(text: &str) -> bool {
    text.rsplit_once('.').is_some_and(|(incident, revision)| {
        incident.parse::<IncidentId>().is_ok() && revision.parse::<u32>().is_ok()
    })
}

impl Pointers {
    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        let Self { incident, case, id, status, by, note, department, own, lists_ours: _ } = self;
        let some = [incident, case, id, by, note, department].into_iter().flatten();
        let own = own.iter().map(|own| own.at.as_str());
        some.map(String::as_str).chain([status.as_str()]).chain(own)
    }

    pub(super) fn problem(&self) -> Option<String> {
        if self.own.as_ref().is_some_and(|own| own.is.iter().any(|one| text(one).is_none())) {
            return Some("[reply] own: `is` has something that is no text, number or flag".into());
        }
        let none = self.incident.is_none() && self.case.is_none();
        none.then(|| {
            "[reply] needs `incident` or `case`: by what a reply names the case".to_owned()
        })
    }
}

/// What stands there, and no more of it.
fn field(item: &Value, pointer: &Option<String>, most: usize) -> Option<String> {
    let found = item.pointer(pointer.as_deref()?).and_then(text)?;
    Some(found.chars().take(most).collect())
}

fn beginning(text: &str) -> String {
    text.trim().chars().take(TEXT_CHARS_MAX).collect()
}

/// A step of ours as the platform was told it, and would list it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::sinks) struct ToldStep {
    /// Of the record that told it.
    pub(in crate::sinks) revision: u32,
    /// The platform's word.
    pub(in crate::sinks) word: String,
    /// Who took it.
    pub(in crate::sinks) by: String,
    /// What may stand as his note, its beginning: his own, or the name of the step.
    pub(in crate::sinks) notes: Vec<String>,
    /// The case was opened again since: listed later than this, it is somebody's new step. None: it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::sinks) until: Option<Timestamp>,
}

impl ToldStep {
    /// Whether this is that step.
    pub(in crate::sinks) fn is(&self, reply: &PlatformReply, now: Timestamp) -> bool {
        let note = reply.note.as_deref().map(beginning);
        let noted = note.is_none_or(|note| self.notes.contains(&note));
        let in_time = self.until.is_none_or(|until| now <= until);
        in_time
            && reply.word == self.word
            && reply.by.as_deref().unwrap_or_default() == self.by
            && noted
    }
}

/// One reply, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sinks) struct PlatformReply {
    /// Our id, where it names that.
    pub incident: Option<IncidentId>,
    /// The platform's id, where it names that.
    pub case: Option<String>,
    /// The platform's own id of the reply.
    pub id: Option<String>,
    /// The platform's word, as it came.
    pub word: String,
    /// The step; none: it is nothing to us.
    pub step: Option<(ReplyTo, Option<DismissReason>)>,
    /// Who, as claimed.
    pub by: Option<String>,
    /// What he says.
    pub note: Option<String>,
    /// Who has the case.
    pub department: Option<String>,
}

/// What an answer to the question for replies holds.
#[derive(Debug)]
pub(in crate::sinks) struct Polled {
    /// The replies, in its order.
    pub items: Vec<Value>,
    /// Where the next question begins.
    pub cursor: Option<String>,
    /// So many stood before them and are not read.
    pub left_out: usize,
}

/// Why a reply cannot be read, in a sentence.
type Unread = String;

impl Profile {
    /// The replies in a message that was pushed.
    pub(in crate::sinks) fn pushed_items(&self, body: &Value) -> Result<Vec<Value>, Unread> {
        let at = self.push.as_ref().map_or("", |push| push.items.as_str());
        let items = one_or_all(body, at)?;
        match items.len() > ITEMS_MAX {
            true => {
                Err(format!("{} replies in one message: expected {ITEMS_MAX} at most", items.len()))
            }
            false => Ok(items),
        }
    }

    /// The replies in an answer. Of a list that is too long they are the last ones: a platform that is asked
    /// again would answer the same again, for ever.
    pub(in crate::sinks) fn polled_items(&self, body: &Value) -> Result<Polled, Unread> {
        let Some(poll) = &self.poll else { return Err("the profile has no [poll]".into()) };
        let mut items = one_or_all(body, &poll.items)?;
        let left_out = items.len().saturating_sub(POLLED_MAX);
        items.drain(..left_out);
        let id = self.reply.as_ref().and_then(|reply| reply.id.as_deref());
        let cursor = match &poll.cursor {
            Some(at) => body.pointer(at).and_then(text),
            None => items.last().and_then(|last| last.pointer(id?)).and_then(text),
        };
        Ok(Polled { items, cursor, left_out })
    }

    /// Whether this is a step of ours, by what the profile says.
    pub(in crate::sinks) fn is_own(&self, item: &Value) -> bool {
        let own = self.reply.as_ref().and_then(|reply| reply.own.as_ref());
        own.is_some_and(|own| own.is_in(item))
    }

    /// The step of this record as the platform would list it, where only that can tell it from a reply.
    pub(in crate::sinks) fn told_step(&self, data: &EventData) -> Option<ToldStep> {
        let step = data.life.steps.last().filter(|step| step.revision == data.revision)?;
        let word = self.outward.get(data.what.as_str()).and_then(text)?;
        if !self.lists_ours_unmarked() || !self.inward.contains_key(&word) {
            return None;
        }
        let names = [Some(step.step.zh()), step.note.as_deref()];
        let notes = names.into_iter().flatten().map(beginning).collect();
        let by = beginning(&step.by);
        Some(ToldStep { revision: data.revision, word, by, notes, until: None })
    }

    /// The profile says that the platform lists steps of ours, and not how they are marked. Unless it says so,
    /// what looks like a step of ours is a reply: one that is swallowed is a person who was not heard.
    pub(in crate::sinks) fn lists_ours_unmarked(&self) -> bool {
        let says = |reply: &Pointers| reply.own.is_none() && reply.lists_ours == Some(true);
        self.poll.is_some() && self.reply.as_ref().is_some_and(says)
    }

    /// Nobody has said whether the platform lists steps of ours.
    pub(super) fn may_list_ours(&self) -> bool {
        let silent = |reply: &Pointers| reply.own.is_none() && reply.lists_ours.is_none();
        self.poll.is_some() && self.reply.as_ref().is_some_and(silent)
    }

    /// So long after a case was opened again a step of before may still come in a list: a few questions.
    pub(in crate::sinks) fn lists_late_s(&self) -> i64 {
        let every_s = self.poll.as_ref().map_or(0, |poll| poll.every_s);
        i64::try_from(every_s.saturating_mul(LISTED_WITHIN_QUESTIONS)).unwrap_or(i64::MAX).max(60)
    }

    /// Its replies have ids of their own.
    pub(in crate::sinks) fn gives_ids(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| reply.id.is_some())
    }

    /// Our id and the platform's of the case that this names, whatever it says of it.
    pub(in crate::sinks) fn case_named(
        &self,
        item: &Value,
    ) -> (Option<IncidentId>, Option<String>) {
        let Some(at) = &self.reply else { return (None, None) };
        let short = |pointer: &Option<String>| field(item, pointer, TEXT_CHARS_MAX);
        (short(&at.incident).and_then(|ours| ours.parse().ok()), short(&at.case))
    }

    /// One reply.
    pub(in crate::sinks) fn read_reply(&self, item: &Value) -> Result<PlatformReply, Unread> {
        let Some(at) = &self.reply else { return Err("the profile has no [reply]".into()) };
        let short = |pointer: &Option<String>| field(item, pointer, TEXT_CHARS_MAX);
        let ours = short(&at.incident);
        let incident = ours.as_deref().and_then(|id| id.parse().ok());
        let case = short(&at.case);
        if incident.is_none() && case.is_none() {
            let pointers: Vec<&str> =
                [&at.incident, &at.case].into_iter().flatten().map(String::as_str).collect();
            return Err(match ours {
                Some(ours) => format!("`{ours}` is none of our incidents"),
                None => format!("it names no case: nothing at {}", pointers.join(" nor ")),
            });
        }
        let word = item.pointer(&at.status).and_then(text);
        let Some(word) = word else {
            return Err(format!("no word on the case: nothing at {}", at.status));
        };
        let word: String = word.chars().take(TEXT_CHARS_MAX).collect();
        let Some(meant) = self.inward.get(&word) else {
            return Err(format!(
                "its word `{word}` stands in no dictionary; [inward] knows {}",
                self.known_words()
            ));
        };
        Ok(PlatformReply {
            incident,
            case,
            id: short(&at.id),
            step: meant.step(),
            word,
            by: short(&at.by),
            note: field(item, &at.note, NOTE_CHARS_MAX),
            department: short(&at.department),
        })
    }
}

/// One object, or a list of them.
fn one_or_all(body: &Value, at: &str) -> Result<Vec<Value>, Unread> {
    match body.pointer(at) {
        Some(Value::Array(all)) => Ok(all.clone()),
        Some(Value::Null) => Ok(Vec::new()),
        Some(one @ Value::Object(_)) => Ok(vec![one.clone()]),
        Some(_) => Err(format!("no reply and no list of them at `{at}`")),
        None => Err(format!("nothing at `{at}`: expected a reply or a list of them")),
    }
}
