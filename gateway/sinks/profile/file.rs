//! The profile as it is written: TOML, each template with its place in the file.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;

use super::{
    Wrong,
    reply::{Pointers, Word},
};
use crate::domain::What;

/// The sort of request that tells of new pictures.
pub(in crate::sinks) const EVIDENCE: &str = "evidence";
/// Requests of a profile.
const SENDS_MAX: usize = 32;
/// Words of a dictionary.
const WORDS_MAX: usize = 500;
/// Replies are asked for at most and at least so often, seconds.
const POLL_S: std::ops::RangeInclusive<u64> = 1..=86_400;

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    pub(super) name: String,
    #[serde(default)]
    pub(super) answer: Answering,
    pub(super) find: Option<Spanned<Find>>,
    pub(super) send: Vec<Spanned<Request>>,
    /// Records of which the platform is told nothing, on purpose.
    #[serde(default)]
    pub(super) untold: Vec<String>,
    /// Their word → our step.
    #[serde(default)]
    pub(super) inward: BTreeMap<String, Spanned<Word>>,
    /// Our step → their word.
    #[serde(default)]
    pub(super) outward: BTreeMap<String, Value>,
    pub(super) reply: Option<Pointers>,
    pub(super) push: Option<Spanned<Push>>,
    pub(super) poll: Option<Spanned<Poll>>,
}

/// What answers mean: most platforms say 200 to everything, and mean it only where a field says so.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::sinks) struct Answering {
    /// JSON pointer to the verdict; without it the status alone counts.
    pub(in crate::sinks) verdict: Option<String>,
    /// Verdicts that mean yes.
    #[serde(default)]
    pub(in crate::sinks) ok: Vec<Value>,
    /// Verdicts that mean: it was there already.
    #[serde(default)]
    pub(in crate::sinks) exists: Vec<Value>,
    /// Verdicts that mean: never. All others mean: not now.
    #[serde(default)]
    pub(in crate::sinks) refused: Vec<Value>,
    /// JSON pointer to words for people.
    pub(in crate::sinks) message: Option<String>,
    /// JSON pointer to the platform's id of the case, in the answer to what opens it.
    pub(in crate::sinks) id: Option<String>,
}

/// Asks whether the platform has an incident of ours.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::sinks) struct Find {
    #[serde(default = "get")]
    pub(super) method: String,
    pub(super) path: Spanned<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Spanned<String>>,
    pub(super) body: Option<Spanned<String>>,
    /// JSON pointer to the platform's id; nothing there: it has none.
    pub(in crate::sinks) id: String,
    /// Verdicts and statuses (404) that mean: there is none.
    #[serde(default)]
    pub(in crate::sinks) none: Vec<Value>,
}

/// One request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    /// It opens the case; there is exactly one.
    #[serde(default)]
    pub(super) opens: bool,
    /// For which records: `accepted`, `updated` …, or `evidence`.
    #[serde(default)]
    pub(super) what: Vec<String>,
    #[serde(default = "post")]
    pub(super) method: String,
    pub(super) path: Spanned<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Spanned<String>>,
    pub(super) body: Option<Spanned<String>>,
}

/// Replies are pushed to us.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Push {
    /// JSON pointer to the reply, or to the list of them; empty: the body is it.
    #[serde(default)]
    pub(super) items: String,
    /// The token comes in this header, and not as `Authorization: Bearer`.
    pub(super) token_header: Option<String>,
    /// What is answered, a template of JSON.
    pub(super) answer: Option<Spanned<String>>,
}

/// Replies are asked for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::sinks) struct Poll {
    /// Seconds.
    #[serde(default = "every_s")]
    pub(in crate::sinks) every_s: u64,
    #[serde(default = "get")]
    pub(super) method: String,
    pub(super) path: Spanned<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Spanned<String>>,
    pub(super) body: Option<Spanned<String>>,
    /// JSON pointer to the list of replies; empty: the body is it.
    #[serde(default)]
    pub(super) items: String,
    /// JSON pointer to the cursor for the next question; without it, the `id` of the last reply.
    pub(super) cursor: Option<String>,
}

fn get() -> String {
    "GET".into()
}

fn post() -> String {
    "POST".into()
}

fn every_s() -> u64 {
    60
}

/// The file as it is written; the error is what is no profile at all.
pub(super) fn read(text: &str) -> Result<Written, Vec<Wrong>> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(0, |span| line_of(text, span.start));
        vec![(line, format!("not a profile: {}", error.message().trim()))]
    })
}

/// From 1.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// A request as it is checked and compiled: what it is called, and its parts.
pub(super) struct RequestParts<'w> {
    pub(super) name: String,
    pub(super) method: &'w str,
    pub(super) path: Option<&'w Spanned<String>>,
    pub(super) headers: Vec<(&'w String, &'w Spanned<String>)>,
    pub(super) body: Option<&'w Spanned<String>>,
}

impl Written {
    /// All requests, and the answer to a push.
    pub(super) fn parts(&self) -> Vec<RequestParts<'_>> {
        let mut parts = Vec::new();
        for (at, send) in self.send.iter().enumerate() {
            let Request { method, path, headers, body, .. } = send.get_ref();
            parts.push(RequestParts {
                name: format!("send {}", at + 1),
                method,
                path: Some(path),
                headers: headers.iter().collect(),
                body: body.as_ref(),
            });
        }
        if let Some(Find { method, path, headers, body, .. }) =
            self.find.as_ref().map(Spanned::get_ref)
        {
            let headers = headers.iter().collect();
            let (path, body) = (Some(path), body.as_ref());
            parts.push(RequestParts { name: "find".into(), method, path, headers, body });
        }
        if let Some(Poll { method, path, headers, body, .. }) =
            self.poll.as_ref().map(Spanned::get_ref)
        {
            let headers = headers.iter().collect();
            let (path, body) = (Some(path), body.as_ref());
            parts.push(RequestParts { name: "poll".into(), method, path, headers, body });
        }
        parts
    }

    /// What is wrong beside the templates.
    pub(super) fn problems(&self, text: &str) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        self.check_sends(text, &mut wrong);
        for RequestParts { name, method, path, .. } in self.parts() {
            if !["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method) {
                let line = path.map_or(0, |path| line_of(text, path.span().start));
                wrong.push((
                    line,
                    format!("{name}: method `{method}`: expected GET, POST, PUT, PATCH or DELETE"),
                ));
            }
        }
        self.check_words(text, &mut wrong);
        self.check_pointers(text, &mut wrong);
        wrong
    }

    fn check_sends(&self, text: &str, wrong: &mut Vec<Wrong>) {
        let opening = self.send.iter().filter(|send| send.get_ref().opens).count();
        if opening != 1 {
            wrong.push((1, format!("{opening} [[send]] have opens = true: expected exactly one, which opens a case at the platform")));
        }
        if self.send.len() > SENDS_MAX {
            wrong.push((1, format!("{} [[send]]: expected {SENDS_MAX} at most", self.send.len())));
        }
        let mut said = BTreeSet::new();
        for send in &self.send {
            let line = line_of(text, send.span().start);
            let Request { opens, what, .. } = send.get_ref();
            if *opens != what.is_empty() {
                let message =
                    "a [[send]] has either opens = true, or `what`: the records that it is for";
                wrong.push((line, message.into()));
            }
            for what in what {
                if what != EVIDENCE && !is_what(what) {
                    wrong.push((line, format!("what = `{what}`: expected the word of a record (updated, accepted, …) or evidence")));
                } else if !said.insert(what) {
                    wrong.push((line, format!("what = `{what}` stands in two [[send]]")));
                }
            }
        }
    }

    fn check_words(&self, text: &str, wrong: &mut Vec<Wrong>) {
        if self.inward.len() > WORDS_MAX || self.outward.len() > WORDS_MAX {
            wrong.push((1, format!("a dictionary of more than {WORDS_MAX} words")));
        }
        for word in self.untold.iter().filter(|word| !is_what(word)) {
            wrong.push((1, format!("untold: `{word}`: no record is called so")));
        }
        for (word, to) in &self.inward {
            if let Some(message) = to.get_ref().problem() {
                wrong.push((line_of(text, to.span().start), format!("[inward] {word}: {message}")));
            }
        }
        for word in self.outward.keys().filter(|word| *word != EVIDENCE && !is_what(word)) {
            wrong.push((1, format!("[outward] {word}: no record is called so")));
        }
    }

    fn check_pointers(&self, text: &str, wrong: &mut Vec<Wrong>) {
        let line = |span: std::ops::Range<usize>| line_of(text, span.start);
        let mut pointers: Vec<(usize, &str)> = Vec::new();
        let Answering { verdict, message, id, ok, .. } = &self.answer;
        pointers.extend([verdict, message, id].into_iter().flatten().map(|one| (1, one.as_str())));
        if verdict.is_some() && ok.is_empty() {
            wrong.push((1, "[answer] `verdict` needs `ok`, the verdicts that mean yes".into()));
        }
        if let Some(find) = &self.find {
            pointers.push((line(find.span()), &find.get_ref().id));
        }
        let asks = self.push.is_some() || self.poll.is_some();
        match &self.reply {
            Some(reply) => {
                pointers.extend(reply.all().map(|one| (1, one)));
                wrong.extend(reply.problem().map(|message| (1, message)));
            }
            None if asks => wrong.push((
                1,
                "[push] and [poll] need [reply]: where the fields of a reply are".into(),
            )),
            None => {}
        }
        if asks && self.inward.is_empty() {
            wrong.push((
                1,
                "[push] and [poll] need [inward]: which of their words is which step".into(),
            ));
        }
        if let Some(push) = &self.push {
            pointers.push((line(push.span()), &push.get_ref().items));
        }
        if let Some(poll) = &self.poll {
            let at = line(poll.span());
            let Poll { items, cursor, every_s, .. } = poll.get_ref();
            pointers.push((at, items));
            pointers.extend(cursor.as_deref().map(|one| (at, one)));
            if !POLL_S.contains(every_s) {
                wrong.push((
                    at,
                    format!("every_s = {every_s}: expected {} to {}", POLL_S.start(), POLL_S.end()),
                ));
            }
        }
        for (line, pointer) in pointers {
            if !pointer.is_empty() && !pointer.starts_with('/') {
                wrong
                    .push((line, format!("`{pointer}`: expected a JSON pointer such as /data/id")));
            }
        }
    }
}

/// What records are called, but for the one that opens a case.
const TOLD: [What; 19] = [
    What::Reopened,
    What::Lapsed,
    What::Updated,
    What::Ended,
    What::Accepted,
    What::Dispatched,
    What::Handled,
    What::Verified,
    What::Closed,
    What::Dismissed,
    What::Merged,
    What::Transferred,
    What::SentBack,
    What::Asked,
    What::Granted,
    What::Refused,
    What::Resumed,
    What::Limit,
    What::Escalated,
];

/// Those that no request is for, and that are not left out on purpose.
pub(super) fn forgotten(sends: &[Request], untold: &[String]) -> Vec<&'static str> {
    let named: BTreeSet<&str> =
        sends.iter().flat_map(|send| &send.what).chain(untold).map(String::as_str).collect();
    TOLD.iter().map(|what| what.as_str()).filter(|what| !named.contains(what)).collect()
}

/// Whether records are called so.
fn is_what(word: &str) -> bool {
    serde_json::from_value::<What>(word.into()).is_ok()
}
