//! A district's own platform by configuration: a profile says which requests are made, how their answers and its replies are read.
//!
//! The file is read and checked with the configuration ([`Profile::load`]), and what was checked is
//! what runs. Nothing in here reaches anything: requests are made by `sinks/http/platform.rs`,
//! replies are handed on by the runtime.

mod bounds;
mod file;
mod render;
mod reply;
mod sample;
#[cfg(test)]
mod tests;
mod values;

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use crate::domain::{EventData, Kind};

use file::{Answering, Find, Poll, Push, Request};
use render::Templates;

pub(in crate::sinks) use file::EVIDENCE;
pub(in crate::sinks) use reply::{PlatformReply, Polled, ToldStep};
pub(in crate::sinks) use values::{CaseFacts, text};

/// A profile is read up to so many bytes.
const PROFILE_BYTES_MAX: u64 = 256 * 1024;

/// The code of a kind of incident in a platform's table of categories, and the other columns of its row.
pub type Category = BTreeMap<String, String>;

/// Codes by kind, and those of all other kinds (`*`).
#[derive(Clone, Debug, Default)]
pub struct Categories {
    /// By kind.
    pub by_kind: BTreeMap<String, Category>,
    /// Of the row `*`.
    pub other: Option<Category>,
}

impl Categories {
    /// Every kind that a row may be of.
    pub fn kinds() -> Vec<String> {
        sample::all_kinds().into_iter().map(|kind| kind.as_str().to_owned()).collect()
    }

    /// The row of this kind, or else that of all others.
    pub(in crate::sinks) fn of(&self, kind: Kind) -> Option<&Category> {
        self.by_kind.get(kind.as_str()).or(self.other.as_ref())
    }
}

/// Something wrong with a profile: its line, from 1, and a sentence.
pub(in crate::sinks) type Wrong = (usize, String);

/// A profile that was read and tried.
#[derive(Debug)]
pub struct Profile {
    name: String,
    answer: Answering,
    find: Option<Find>,
    sends: Vec<Request>,
    untold: Vec<String>,
    inward: BTreeMap<String, reply::Word>,
    outward: BTreeMap<String, Value>,
    reply: Option<reply::Pointers>,
    push: Option<Push>,
    poll: Option<Poll>,
    templates: Templates,
    categories: Categories,
    /// As it is called in messages.
    file: String,
}

/// A request as it goes out.
#[derive(Debug, PartialEq)]
pub(in crate::sinks) struct Rendered {
    pub(in crate::sinks) method: String,
    /// Below the sink's `url`.
    pub(in crate::sinks) path: String,
    pub(in crate::sinks) headers: Vec<(String, String)>,
    /// JSON, or nothing.
    pub(in crate::sinks) body: Option<Vec<u8>>,
}

impl Profile {
    /// Reads the file and tries each template on a sample of each of these kinds of incidents (empty: of
    /// all). Everything that is wrong is told.
    pub fn load(path: &Path, kinds: &[Kind], categories: Categories) -> Result<Self, Vec<Wrong>> {
        let unread = |why: String| vec![(0, format!("the profile cannot be read: {why}"))];
        let about = std::fs::metadata(path).map_err(|error| unread(error.to_string()))?;
        // Before it is opened: who opens a pipe waits for its other end.
        if !about.is_file() {
            return Err(unread("is no regular file".into()));
        }
        if about.len() > PROFILE_BYTES_MAX {
            let message =
                format!("a profile of {} bytes: expected {PROFILE_BYTES_MAX} at most", about.len());
            return Err(vec![(0, message)]);
        }
        let text = std::fs::read_to_string(path).map_err(|error| unread(error.to_string()))?;
        Self::parse(&path.display().to_string(), &text, kinds, categories)
    }

    /// As [`Self::load`], from a text.
    pub(in crate::sinks) fn parse(
        file: &str,
        text: &str,
        kinds: &[Kind],
        categories: Categories,
    ) -> Result<Self, Vec<Wrong>> {
        let written = file::read(text)?;
        let mut wrong = written.problems(text);
        let templates = Templates::compile(file, text, &written, &mut wrong);
        let profile = Self {
            name: written.name,
            answer: written.answer,
            find: written.find.map(toml::Spanned::into_inner),
            sends: written.send.into_iter().map(toml::Spanned::into_inner).collect(),
            untold: written.untold,
            inward: written.inward.into_iter().map(|(word, to)| (word, to.into_inner())).collect(),
            outward: written.outward,
            reply: written.reply,
            push: written.push.map(toml::Spanned::into_inner),
            poll: written.poll.map(toml::Spanned::into_inner),
            templates,
            categories,
            file: file.to_owned(),
        };
        if wrong.is_empty() {
            wrong = sample::try_all(&profile, kinds);
        }
        if wrong.is_empty() { Ok(profile) } else { Err(wrong) }
    }

    /// For people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a template asks for the link of a delivery.
    pub fn names_link(&self) -> bool {
        self.templates.name("link")
    }

    /// What answers mean.
    pub(in crate::sinks) fn answering(&self) -> &Answering {
        &self.answer
    }

    /// Whether the platform can be asked for one of our incidents.
    pub(in crate::sinks) fn can_find(&self) -> bool {
        self.find.is_some()
    }

    /// How replies are asked for, where they are.
    pub(in crate::sinks) fn polls(&self) -> Option<&Poll> {
        self.poll.as_ref()
    }

    /// Whether replies are pushed here, and the header of the token that is not `Authorization`.
    pub fn pushes(&self) -> Option<Option<&str>> {
        self.push.as_ref().map(|push| push.token_header.as_deref())
    }

    /// The request that opens a case, or the one for a record of this sort (`accepted`, [`EVIDENCE`]).
    fn send(&self, what: Option<&str>) -> Option<(usize, &Request)> {
        let mut sends = self.sends.iter().enumerate();
        match what {
            None => sends.find(|(_, send)| send.opens),
            Some(what) => {
                sends.find(|(_, send)| !send.opens && send.what.iter().any(|one| one == what))
            }
        }
    }

    /// Warnings, a sentence each: records of which the platform is told nothing, and nobody said that this is
    /// meant.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.forgotten();
        if self.answer.id.is_some() && self.find.is_none() {
            warnings.push("[answer] has `id`, and there is no [find]: an opening that is answered without the id, or not at all, is sent again (once, after a yes without it), and may be a second case there".into());
        }
        if self.may_list_ours() {
            warnings.push("[reply] says neither `own` nor `lists_ours`: a step of ours that the platform lists is taken for one of its people; say by what ours are known, or lists_ours = true (it lists them, without a mark) or false".into());
        }
        warnings
    }

    fn forgotten(&self) -> Vec<String> {
        let forgotten = file::forgotten(&self.sends, &self.untold);
        if forgotten.is_empty() {
            return Vec::new();
        }
        let open_again = forgotten.iter().any(|what| ["reopened", "lapsed"].contains(what));
        let most = if open_again {
            "; a case that is open again stays accepted or closed there"
        } else {
            ""
        };
        vec![format!(
            "no [[send]] is for {}: the platform is not told of them{most}; where that is meant, name them in `untold`",
            forgotten.join(", ")
        )]
    }

    /// Whether the request for a record of this sort means nothing without the id that the platform gives: it
    /// names it, and does not ask whether it is there.
    pub(in crate::sinks) fn needs_case_id(&self, what: Option<&str>) -> bool {
        let Some((_, send)) = what.and_then(|what| self.send(Some(what))) else { return false };
        let headers = send.headers.values().map(toml::Spanned::get_ref);
        let rest = [Some(&send.path), send.body.as_ref()].into_iter().flatten();
        let gives = self.answer.id.is_some() || self.find.is_some();
        gives && headers.chain(rest.map(toml::Spanned::get_ref)).any(|source| needs_case_id(source))
    }

    /// Whether something is sent for a record of this sort.
    pub(in crate::sinks) fn says(&self, what: &str) -> bool {
        self.send(Some(what)).is_some()
    }

    /// The request for an event; `what` None: the one that opens a case. None: there is none. The
    /// error names the file and the line.
    pub(in crate::sinks) fn request(
        &self,
        what: Option<&str>,
        data: &EventData,
        case: &CaseFacts<'_>,
    ) -> Result<Option<Rendered>, String> {
        let Some((at, send)) = self.send(what) else { return Ok(None) };
        let values = self.values(what, data, case);
        let rendered =
            self.render(&format!("send {}", at + 1), &send.method, &send.headers, values)?;
        Ok(Some(rendered))
    }

    /// The request that asks whether the platform has this incident.
    pub(in crate::sinks) fn find_request(
        &self,
        data: &EventData,
        case: &CaseFacts<'_>,
    ) -> Result<Option<Rendered>, String> {
        let Some(find) = &self.find else { return Ok(None) };
        let values = self.values(None, data, case);
        self.render("find", &find.method, &find.headers, values).map(Some)
    }

    /// The platform's id in the answer to that question.
    pub(in crate::sinks) fn found(&self, answer: &Value) -> Option<String> {
        text(answer.pointer(&self.find.as_ref()?.id)?)
    }

    /// Whether this status or verdict of the answer to that question means that there is none.
    pub(in crate::sinks) fn says_none(&self, status: u16, answer: &Value) -> bool {
        let at = self.answer.verdict.as_ref();
        let said = at.and_then(|at| answer.pointer(at)).and_then(text);
        let none = self.find.iter().flat_map(|find| &find.none).filter_map(text);
        none.into_iter().any(|one| Some(&one) == said.as_ref() || one == status.to_string())
    }

    /// The request for replies after this cursor.
    pub(in crate::sinks) fn poll_request(&self, cursor: &str) -> Result<Option<Rendered>, String> {
        let Some(poll) = &self.poll else { return Ok(None) };
        let values = values::of_poll(cursor);
        self.render("poll", &poll.method, &poll.headers, values).map(Some)
    }

    /// What a push of replies is answered with.
    pub fn push_answer(&self, taken: &TakenReplies) -> Result<Vec<u8>, String> {
        if self.push.as_ref().is_none_or(|push| push.answer.is_none()) {
            return serde_json::to_vec(&serde_json::json!({
                "code": i32::from(!taken.kept.is_empty()),
                "taken": taken.taken,
                "doubled": taken.doubled,
                "kept": taken.kept,
            }))
            .map_err(|error| error.to_string());
        }
        let body = self.templates.json("push answer", values::of_taken(taken))?;
        Ok(body.unwrap_or_default())
    }

    fn values(
        &self,
        what: Option<&str>,
        data: &EventData,
        case: &CaseFacts<'_>,
    ) -> minijinja::Value {
        let what = what.unwrap_or(data.what.as_str());
        let word = self.outward.get(what);
        values::of_event(data, case, word, self.categories.of(data.kind))
    }

    fn render(
        &self,
        part: &str,
        method: &str,
        headers: &BTreeMap<String, toml::Spanned<String>>,
        values: minijinja::Value,
    ) -> Result<Rendered, String> {
        let mut said = Vec::new();
        for name in headers.keys() {
            let value = self.templates.text(&format!("{part} header {name}"), values.clone())?;
            if value.chars().any(char::is_control) {
                return Err(format!("{}: header {name}: a line break or control in it", self.file));
            }
            said.push((name.clone(), value));
        }
        let path = self.templates.text(&format!("{part} path"), values.clone())?;
        let body = self.templates.json(&format!("{part} body"), values)?;
        Ok(Rendered { method: method.to_owned(), path, headers: said, body })
    }

    /// The whole list of words, for messages.
    fn known_words(&self) -> String {
        let words: Vec<&str> = self.inward.keys().map(String::as_str).collect();
        words.join(", ")
    }
}

fn needs_case_id(source: &str) -> bool {
    let asks = ["if case.id", "case.id or ", "if not case.id", "case.id | default"];
    source.contains("case.id") && !asks.iter().any(|ask| source.contains(ask))
}

/// What became of the replies of one message.
#[derive(Clone, Debug, Default)]
pub struct TakenReplies {
    /// So many changed a case, or had changed it before.
    pub taken: u64,
    /// So many had come before.
    pub doubled: u64,
    /// Why the others are kept in the quarantine, a sentence each.
    pub kept: Vec<String>,
}
