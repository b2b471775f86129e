//! What a camera answers, as values: its clock, where its events are, a subscription, notices, faults.
//!
//! Namespaces are not asked for: cameras get them wrong, and the local names suffice. Nothing
//! here trusts a length or a number, and nothing panics.

use jiff::{SignedDuration, Timestamp, civil};
use roxmltree::{Document, Node, ParsingOptions};

use super::soap::escape;

/// Elements and texts of one answer; a pull of 32 notices has some hundreds, the profiles of a
/// recorder with 64 channels some 30,000.
const NODES_MAX: u32 = 60_000;
/// Notices that are read of one answer.
const NOTICES_MAX: usize = 256;
/// What is read of a text: an address, a topic, a reason.
const TEXT_CHARS_MAX: usize = 1_000;
/// Headers that a subscription may ask for, and how deep they may be.
const HEADERS_MAX: usize = 8;
const HEADER_DEPTH_MAX: usize = 4;
/// Namespaces of services.
pub(super) const EVENTS: &str = "http://www.onvif.org/ver10/events/wsdl";
pub(super) const MEDIA: &str = "http://www.onvif.org/ver10/media/wsdl";
pub(super) const MEDIA2: &str = "http://www.onvif.org/ver20/media/wsdl";

/// The tree of an answer; the error is one sentence.
pub(super) fn parse(text: &str) -> Result<Document<'_>, String> {
    // No DTD: it has no place in SOAP, and is how one answer becomes gigabytes.
    let options = ParsingOptions { nodes_limit: NODES_MAX, ..ParsingOptions::default() };
    Document::parse_with_options(text, options)
        .map_err(|error| format!("expected SOAP, and it is no XML: {error}"))
}

/// Why a camera refuses.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// It does not accept who we are.
    pub(super) is_user: bool,
    /// It does not know what it was asked.
    pub(super) is_unknown: bool,
    pub(super) reason: String,
}

pub(super) fn fault(answer: &Document<'_>) -> Option<Fault> {
    let fault = first(answer.root(), "Fault")?;
    let codes: Vec<String> =
        all(fault, "Value").chain(all(fault, "faultcode")).map(words).collect();
    let reason = ["Text", "faultstring", "Reason"].iter().find_map(|name| first(fault, name));
    let reason = reason.map(words).filter(|reason| !reason.is_empty());
    let said: Vec<String> = codes.iter().chain(&reason).map(|text| text.to_lowercase()).collect();
    let says =
        |parts: &[&str]| said.iter().any(|text| parts.iter().any(|part| text.contains(part)));
    Some(Fault {
        is_user: says(&[
            "notauthorized",
            "failedauthentication",
            "invalidsecurity",
            "failedcheck",
            "not authorized",
            "unauthorized",
        ]),
        is_unknown: says(&["actionnotsupported", "not implemented", "nosuchservice"]),
        reason: reason
            .or_else(|| codes.last().cloned())
            .unwrap_or_else(|| "no reason given".into()),
    })
}

/// How far the camera's clock is ahead of `now`.
pub(super) fn clock_offset(answer: &Document<'_>, now: Timestamp) -> Option<SignedDuration> {
    let time = first(answer.root(), "UTCDateTime")?;
    let number = |name: &str| first(time, name)?.text()?.trim().parse::<i16>().ok();
    let small = |name: &str| i8::try_from(number(name)?).ok();
    let date = civil::Date::new(number("Year")?, small("Month")?, small("Day")?).ok()?;
    let clock = civil::Time::new(small("Hour")?, small("Minute")?, small("Second")?, 0).ok()?;
    let at = date.to_datetime(clock).to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    Some(at.duration_since(now))
}

/// The address of its events, of GetCapabilities or GetServices.
pub(super) fn events_address(answer: &Document<'_>) -> Option<String> {
    capability_address(answer, "Events").or_else(|| service_address(answer, EVENTS))
}

/// Of GetCapabilities: the address under this element.
pub(super) fn capability_address(answer: &Document<'_>, element: &str) -> Option<String> {
    let address = first(first(answer.root(), element)?, "XAddr").map(words);
    address.filter(|address| !address.is_empty())
}

/// Of GetServices: the address of the service of this namespace.
pub(super) fn service_address(answer: &Document<'_>, namespace: &str) -> Option<String> {
    let is_it = |service: &Node<'_, '_>| {
        first(*service, "Namespace").is_some_and(|name| words(name) == namespace)
    };
    let address = first(all(answer.root(), "Service").find(is_it)?, "XAddr").map(words);
    address.filter(|address| !address.is_empty())
}

/// The address of a stream, of GetStreamUri in either version.
pub(super) fn stream_address(answer: &Document<'_>) -> Option<String> {
    // Escaped once too often by some, for whom `&amp;` is a part of the address then.
    let address = words(first(answer.root(), "Uri")?).replace("&amp;", "&");
    (!address.is_empty()).then_some(address)
}

/// Where notices are pulled, and the headers that must go with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) address: String,
    pub(super) headers: String,
}

pub(super) fn subscription(answer: &Document<'_>) -> Option<Point> {
    let reference = first(answer.root(), "SubscriptionReference")?;
    let address = words(first(reference, "Address")?);
    let mut headers = String::new();
    for parameters in all(reference, "ReferenceParameters").take(1) {
        for parameter in parameters.children().filter(Node::is_element).take(HEADERS_MAX) {
            let mark =
                " xmlns:a=\"http://www.w3.org/2005/08/addressing\" a:IsReferenceParameter=\"true\"";
            element(parameter, mark, 0, &mut headers);
        }
    }
    (!address.is_empty()).then_some(Point { address, headers })
}

/// An element again, wherever its namespace was declared.
fn element(node: Node<'_, '_>, more: &str, depth: usize, out: &mut String) {
    let tag = node.tag_name();
    let space = escape(tag.namespace().unwrap_or_default());
    out.push_str(&format!("<{0} xmlns=\"{space}\"{more}>", tag.name()));
    for child in node.children() {
        if child.is_element() && depth < HEADER_DEPTH_MAX {
            element(child, "", depth + 1, out);
        } else if let Some(text) = child.text().filter(|_| child.is_text()) {
            out.push_str(&escape(&one_line(text)));
        }
    }
    out.push_str(&format!("</{}>", tag.name()));
}

/// What became of the thing that a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// How it stood when we began to listen.
    Initialized,
    Changed,
    Deleted,
}

/// One thing that the camera says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// Without prefixes: `RuleEngine/CellMotionDetector/Motion`.
    pub(super) topic: String,
    /// Which of its sources, rules, … it is about.
    pub(super) source: String,
    pub(super) operation: Operation,
    /// Its data's yes or no, whatever the name of it.
    pub(super) on: Option<bool>,
}

pub(super) fn notices(answer: &Document<'_>) -> Vec<Notice> {
    all(answer.root(), "NotificationMessage").take(NOTICES_MAX).filter_map(notice).collect()
}

fn notice(node: Node<'_, '_>) -> Option<Notice> {
    let topic = words(first(node, "Topic")?);
    let plain = |part: &str| part.rsplit(':').next().unwrap_or_default().to_owned();
    let topic: Vec<String> = topic.split('/').map(plain).collect();
    let message = all(node, "Message").find(|one| first(*one, "Data").is_some())?;
    let message = all(message, "Message").last().unwrap_or(message);
    let items = |part: &str| {
        let part = first(message, part);
        let items = part.into_iter().flat_map(|part| all(part, "SimpleItem"));
        items.map(|item| (attribute(item, "Name"), attribute(item, "Value"))).collect::<Vec<_>>()
    };
    let on = items("Data").iter().find_map(|(_, value)| match value.to_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    });
    let source: String =
        items("Source").iter().map(|(name, value)| format!("{name}={value};")).collect();
    let operation = match message.attribute("PropertyOperation") {
        Some("Initialized") => Operation::Initialized,
        Some("Deleted") => Operation::Deleted,
        _ => Operation::Changed,
    };
    Some(Notice { topic: topic.join("/"), source: one_line(&source), operation, on })
}

pub(super) fn all<'a, 'i: 'a>(
    node: Node<'a, 'i>,
    name: &'a str,
) -> impl Iterator<Item = Node<'a, 'i>> + use<'a, 'i> {
    node.descendants().filter(move |one| one.is_element() && one.tag_name().name() == name)
}

pub(super) fn first<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.descendants().find(|one| one.is_element() && one.tag_name().name() == name)
}

pub(super) fn attribute(node: Node<'_, '_>, name: &str) -> String {
    one_line(node.attribute(name).unwrap_or_default())
}

/// Its text, without the space around it.
pub(super) fn words(node: Node<'_, '_>) -> String {
    let text: String =
        node.descendants().filter_map(|one| one.text().filter(|_| one.is_text())).collect();
    one_line(text.trim())
}

/// No line of a log or of a list begins or turns round in the middle of a camera's text.
pub(super) fn one_line(text: &str) -> String {
    let plain = |c: char| match c {
        c if c.is_control() => ' ',
        '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => ' ',
        c => c,
    };
    text.chars().take(TEXT_CHARS_MAX).map(plain).collect()
}

#[cfg(test)]
#[path = "tests_read.rs"]
mod tests;
