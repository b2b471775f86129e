//! Texts with `{name}` in them, filled from an event: messages to people, commands to devices.

use serde_json::Value;

use super::sink::{DeliverError, Delivery};
use crate::domain::{Event, EventData, What};

/// The names that can be filled in.
pub(super) const NAMES: &[&str] = &[
    "incident",
    "event",
    "site",
    "kind",
    "severity",
    "stage",
    "what",
    "title",
    "title_en",
    "why",
    "grid",
    "grid_code",
    "head",
    "head_phone",
    "department",
    "item",
    "officer",
    "officer_phone",
    "on_duty",
    "source",
    "device",
    "person",
    "contact",
    "address",
    "note",
    "place",
    "began_at",
    "changed_at",
    "plate",
    "presses",
    "things",
    "news",
    "by",
    "say",
    "level",
    "urge",
    "told",
    "told_phone",
    "link",
];
/// A value is cut to so many characters: a text is for reading.
const VALUE_CHARS_MAX: usize = 500;
/// Of a message to people, bytes: WeCom's robot refuses a text of more than 2,048 for good.
const MESSAGE_BYTES_MAX: usize = 2_000;
/// However long the message, a value keeps so many characters: every id, name and time is shorter.
const MESSAGE_VALUE_CHARS_MIN: usize = 60;
/// A template with more bytes of its own is not for a robot that takes so little: it costs values no more.
const MESSAGE_OWN_BYTES_MAX: usize = 1_000;

/// How a value is written into its surroundings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Into {
    /// Inside a JSON text.
    Json,
    /// Inside a JSON text that is shown as markdown: no link, mention or heading that was not meant.
    JsonMarkdown,
    /// A value of `application/x-www-form-urlencoded`: no field that was not meant.
    Form,
    /// Markdown by itself.
    Markdown,
    /// Text without marks.
    Plain,
    /// Of an MQTT topic: no wildcards, no levels that were not meant.
    Topic,
}

impl Into {
    /// How values are written into a body of this content type; None: nobody here knows how to.
    pub(super) fn of(content_type: &str, body: &str) -> Option<Self> {
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            "application/x-www-form-urlencoded" => Some(Self::Form),
            "text/plain" => Some(Self::Plain),
            "text/markdown" => Some(Self::Markdown),
            json if json.ends_with("json") => {
                // The robots say in the body itself how it is shown.
                let marked = body.to_ascii_lowercase().contains("markdown");
                Some(if marked { Self::JsonMarkdown } else { Self::Json })
            }
            _ => None,
        }
    }

    /// How long a value is for whoever reads it, bytes: what only the transport adds is not counted.
    fn bytes(self, value: &str) -> usize {
        match self {
            Self::JsonMarkdown | Self::Markdown => unmarked(value).len(),
            _ => value.len(),
        }
    }

    fn put(self, value: &str, out: &mut String) {
        let json = |value: &str, out: &mut String| {
            let quoted = Value::from(value).to_string();
            out.push_str(&quoted[1..quoted.len() - 1]);
        };
        match self {
            Self::Json => json(value, out),
            Self::JsonMarkdown => json(&unmarked(value), out),
            Self::Markdown => out.push_str(&unmarked(value)),
            Self::Plain => out.push_str(value),
            Self::Form => out.extend(url::form_urlencoded::byte_serialize(value.as_bytes())),
            Self::Topic => {
                out.extend(value.chars().filter(|c| !"+#/".contains(*c) && !c.is_control()));
            }
        }
    }
}

/// What means something in one of the dialects of markdown becomes its twin of full width, which means
/// nothing in any: a backslash is no escape in all of them.
fn unmarked(value: &str) -> String {
    let twin = |c: char| match c {
        '[' => '［',
        ']' => '］',
        '<' => '＜',
        '>' => '＞',
        '*' => '＊',
        '_' => '＿',
        '`' => '｀',
        '#' => '＃',
        '|' => '｜',
        '~' => '～',
        '\\' => '＼',
        '@' => '＠',
        '\n' | '\r' => ' ',
        plain => plain,
    };
    value.chars().map(twin).collect::<String>().replace("://", "：//")
}

/// Names in braces that cannot be filled in.
pub(super) fn unknown(template: &str) -> Vec<String> {
    let mut unknown = Vec::new();
    parts(template, |part| {
        if let TemplatePart::Name(name) = part
            && !NAMES.contains(&name)
        {
            unknown.push(format!("{{{name}}}"));
        }
    });
    unknown
}

enum TemplatePart<'t> {
    Text(&'t str),
    Name(&'t str),
}

/// `{abc}` is a name; every other brace is a brace, so that JSON needs no escaping.
fn parts<'t>(template: &'t str, mut take: impl FnMut(TemplatePart<'t>)) {
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        let after = &rest[open + 1..];
        let len = after.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(after.len());
        if len > 0 && after[len..].starts_with('}') {
            take(TemplatePart::Text(&rest[..open]));
            take(TemplatePart::Name(&after[..len]));
            rest = &after[len + 1..];
        } else {
            take(TemplatePart::Text(&rest[..=open]));
            rest = after;
        }
    }
    take(TemplatePart::Text(rest));
}

/// The event, read back from the bytes that every sink gets.
pub(super) fn event(body: &[u8]) -> Result<Event, DeliverError> {
    serde_json::from_slice(body)
        .map_err(|error| DeliverError::Reject { answer: format!("event cannot be read: {error}") })
}

/// As [`event`], with the link of this delivery in its place, and none where none was made: it is what the
/// gateway made, whatever a device calls its own fields.
pub(super) fn event_with_link(delivery: &Delivery) -> Result<Event, DeliverError> {
    let mut event = event_without_link(delivery)?;
    if let Some(link) = &delivery.link {
        event.data.detail.insert("link".into(), link.as_str().into());
    }
    Ok(event)
}

/// As [`event`], without what a device calls a link.
pub(super) fn event_without_link(delivery: &Delivery) -> Result<Event, DeliverError> {
    let mut event = event(&delivery.body)?;
    event.data.detail.remove("link");
    Ok(event)
}

pub(super) fn fill(template: &str, event: &Event, say: &str, into: Into) -> String {
    fill_within(template, event, say, into, VALUE_CHARS_MAX)
}

/// As [`fill`], for a receiver that refuses what is too long: all the values together are bounded too, and the
/// longest of them are cut.
pub(super) fn fill_message(template: &str, event: &Event, say: &str, into: Into) -> String {
    let mut most = VALUE_CHARS_MAX;
    while most > MESSAGE_VALUE_CHARS_MIN
        && message_bytes(template, event, say, into, most) > MESSAGE_BYTES_MAX
    {
        most = (most * 3 / 4).max(MESSAGE_VALUE_CHARS_MIN);
    }
    fill_within(template, event, say, into, most)
}

/// Bytes of a message whose values have at most so many characters.
fn message_bytes(template: &str, event: &Event, say: &str, into: Into, most: usize) -> usize {
    let (mut own, mut values) = (0_usize, 0_usize);
    parts(template, |part| match part {
        TemplatePart::Text(text) => own += text.len(),
        TemplatePart::Name(name) => {
            let bytes = into.bytes(&cut_value(name, event, say, into, most));
            match is_whole(name) {
                true => own += bytes,
                false => values += bytes,
            }
        }
    });
    values + own.min(MESSAGE_OWN_BYTES_MAX)
}

/// A link that is cut leads nowhere, and what is said aloud is bounded where it is made.
fn is_whole(name: &str) -> bool {
    ["link", "say"].contains(&name)
}

/// A value of at most so many characters; `…` says that there was more, but in a name or an address.
fn cut_value(name: &str, event: &Event, say: &str, into: Into, most: usize) -> String {
    let value = value(name, event, say);
    let most = if is_whole(name) { VALUE_CHARS_MAX } else { most };
    if value.chars().nth(most).is_none() {
        return value;
    }
    if into == Into::Topic || name == "link" {
        return value.chars().take(most).collect();
    }
    value.chars().take(most - 1).chain(['…']).collect()
}

fn fill_within(template: &str, event: &Event, say: &str, into: Into, most: usize) -> String {
    let mut out = String::with_capacity(template.len() + 64);
    parts(template, |part| match part {
        TemplatePart::Text(text) => out.push_str(text),
        TemplatePart::Name(name) => {
            let value = cut_value(name, event, say, into, most);
            // A name with levels of its own (Zigbee2MQTT has them) is one only as the site has listed it.
            let is_listed = name == "device" && detail(&event.data, name).is_some();
            match into {
                Into::Topic if is_listed && value.contains('/') => {
                    let levels = value.split('/').filter(|level| !level.is_empty());
                    for (n, level) in levels.enumerate() {
                        out.push_str(if n > 0 { "/" } else { "" });
                        into.put(level, &mut out);
                    }
                }
                // Made here of letters and digits: as markdown it is a link, and that is meant.
                Into::JsonMarkdown if name == "link" => Into::Json.put(&value, &mut out),
                Into::Markdown if name == "link" => Into::Plain.put(&value, &mut out),
                into => into.put(&value, &mut out),
            }
        }
    });
    out
}

fn value(name: &str, event: &Event, say: &str) -> String {
    let data = &event.data;
    let source = data.sources.first();
    let source_id = || source.map(|source| source.id.to_string()).unwrap_or_default();
    let text = |key: &str| detail(data, key);
    match name {
        "incident" => data.incident.to_string(),
        "event" => event.id.clone(),
        "site" => data.site.to_string(),
        "kind" => data.kind.as_str().into(),
        "severity" => data.severity.level().to_string(),
        "stage" => word(&data.stage),
        "what" => data.what.as_str().into(),
        "title" => data.title.zh.clone(),
        "title_en" => data.title.en.clone(),
        "why" => data.why.clone(),
        "grid" => data.grid.as_ref().map(|grid| grid.name.clone()).unwrap_or_default(),
        "grid_code" => data.grid.as_ref().map(|grid| grid.code.clone()).unwrap_or_default(),
        "head" => data.grid.as_ref().and_then(|grid| grid.head.clone()).unwrap_or_default(),
        "head_phone" => {
            data.grid.as_ref().and_then(|one| one.head_phone.clone()).unwrap_or_default()
        }
        "department" => data.department().unwrap_or_default().to_owned(),
        "item" => data.route.as_ref().map(|route| route.item.clone()).unwrap_or_default(),
        "officer" => officer(data, "name"),
        "officer_phone" => officer(data, "phone"),
        "on_duty" => all_on_duty(data),
        "source" => source_id(),
        "device" => text("device").unwrap_or_else(source_id),
        "person" => text("person")
            .unwrap_or_else(|| source.map(|source| source.name.clone()).unwrap_or_default()),
        "place" => data.place.as_ref().map(|p| format!("{},{}", p.lon, p.lat)).unwrap_or_default(),
        "began_at" => data.began_at.clone(),
        "changed_at" => data.changed_at.clone(),
        "say" => say.into(),
        "level" | "urge" => of_escalation(data, name),
        // Where nobody is named, whom it was meant for.
        "told" => [of_escalation(data, "name"), of_escalation(data, "nobody")]
            .into_iter()
            .find(|told| !told.is_empty())
            .unwrap_or_default(),
        "told_phone" => of_escalation(data, "phone"),
        "things" => text("things_total").unwrap_or_default(),
        "plate" => data.plates().join("、"),
        "news" => {
            let news = data.detail.get("news").and_then(Value::as_array);
            news.map(|ids| ids.len().to_string()).unwrap_or_default()
        }
        other => text(other).unwrap_or_default(),
    }
}

/// The first officer on duty, or else the lead.
pub(super) fn on_duty(data: &EventData) -> Option<&Value> {
    let all = data.detail.get("duty")?.as_array()?;
    let of = |role: &str| all.iter().find(|one| one["role"] == role);
    of("officer").or_else(|| of("lead"))
}

/// Everybody on duty, with telephones; at a sink of roles, of these.
fn all_on_duty(data: &EventData) -> String {
    let all = data.detail.get("duty").and_then(Value::as_array);
    let told = all.into_iter().flatten().filter_map(|one| {
        let name = one["name"].as_str()?;
        Some(match one["phone"].as_str() {
            Some(phone) => format!("{name} {phone}"),
            None => name.to_owned(),
        })
    });
    told.collect::<Vec<_>>().join("、")
}

fn officer(data: &EventData, key: &str) -> String {
    on_duty(data).and_then(|one| one[key].as_str()).unwrap_or_default().to_owned()
}

/// Who was told last that a limit has passed, and as what.
fn of_escalation(data: &EventData, key: &str) -> String {
    let escalation = data.detail.get("escalation").and_then(|escalation| escalation.get(key));
    escalation.and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A field of `detail` as text.
pub(super) fn detail(data: &EventData, key: &str) -> Option<String> {
    match data.detail.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// How old the change is that this event tells of, seconds; below zero for a clock that was set.
pub(super) fn age_s(event: &Event, now: jiff::Timestamp) -> f64 {
    let at = event.data.changed_at.parse::<jiff::Timestamp>().unwrap_or(now);
    now.duration_since(at).as_secs_f64()
}

/// Opened, also once more: what people are told by default, and not each update.
pub(super) const STEPS: &[What] = &[What::Opened, What::Reopened, What::Lapsed];

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An event as the courier hands it on.
    pub(in crate::sinks) fn press(what: &str, more: &str) -> Vec<u8> {
        let stage = match what {
            "opened" | "updated" | "ended" => "opened",
            "merged" => "closed",
            stage => stage,
        };
        format!(
            r#"{{"specversion":"1.0","id":"01900000-0000-7000-8000-000000000001.1","source":"urn:gridpost:s","type":"t","subject":"x","time":"t","datacontenttype":"application/json","data":{{"incident":"01900000-0000-7000-8000-000000000001","revision":1,"what":"{what}","stage":"{stage}","active":true,"kind":"emergency-button","severity":1,"title":{{"zh":"张秀英：紧急按钮求助","en":"e"}},"site":"s","grid":{{"code":"G1","name":"桥北一网格","head":"李建国"}},"began_at":"2026-07-01T11:00:00.000+08:00","opened_at":"2026-07-01T11:00:00.000+08:00","changed_at":"2026-07-01T11:00:00.000+08:00","sources":[{{"id":"b1","kind":"button","name":"张秀英"}}],"objects":[],"evidence":[],"clock":{{"gateway":"2026-07-01T11:00:00.000+08:00","error_ms":0}},"why":"w","detail":{{"contact":"138","note":"钥匙\"在\"\n楼下","presses":1{more}}}}}}}"#
        )
        .into_bytes()
    }

    #[test]
    fn no_field_link_mention_or_level_can_be_forged() {
        let put = |into: Into, value: &str| {
            let mut out = String::new();
            into.put(value, &mut out);
            out
        };
        assert_eq!(put(Into::Form, "x&to=199 %张"), "x%26to%3D199+%25%E5%BC%A0");
        let marked = put(Into::JsonMarkdown, "[click](http://x) <@all>\n# \"h\"");
        assert_eq!(marked, "［click］(http：//x) ＜＠all＞ ＃ \\\"h\\\"");
        assert_eq!(put(Into::Topic, "bridge/request/+#\0\u{1b}x"), "bridgerequestx");
        assert_eq!(put(Into::Plain, "a&b"), "a&b");
        for (kind, body, expected) in [
            ("application/json; charset=utf-8", "{}", Some(Into::Json)),
            ("application/vnd.x+json", r#"{"msgtype":"markdown"}"#, Some(Into::JsonMarkdown)),
            ("Application/X-WWW-Form-Urlencoded", "a={b}", Some(Into::Form)),
            ("text/plain", "", Some(Into::Plain)),
            ("text/html", "", None),
            ("application/xml", "", None),
        ] {
            assert_eq!(Into::of(kind, body), expected, "{kind}");
        }
    }

    #[test]
    fn a_link_is_the_one_that_was_made_and_stays_one_in_markdown() {
        let link = "https://reach.example/c/0k_3";
        let forged = press("opened", r#","link":"https://evil.example/""#);
        let mut delivery = Delivery {
            event_id: "1".into(),
            kind: "k",
            rule: None,
            at: jiff::Timestamp::UNIX_EPOCH,
            body: forged.into(),
            link: None,
        };
        let filled = |delivery: &Delivery, into: Into| {
            fill("[打开]({link})", &event_with_link(delivery).unwrap(), "", into)
        };
        assert_eq!(filled(&delivery, Into::Plain), "[打开]()");
        delivery.link = Some(link.into());
        for into in [Into::Json, Into::JsonMarkdown, Into::Markdown, Into::Plain] {
            assert_eq!(filled(&delivery, into), format!("[打开]({link})"), "{into:?}");
        }
        assert!(!filled(&delivery, Into::Form).contains("://"));
    }

    #[test]
    fn a_message_is_no_longer_than_a_robot_takes() {
        let link = format!("https://reach.example/c/{}", "k".repeat(60));
        let long = |address: usize, contact: usize, note: usize| {
            let mut event = event(&press("opened", "")).unwrap();
            for (key, chars) in [("address", address), ("contact", contact), ("note", note)] {
                event.data.detail.insert(key.into(), "长".repeat(chars).into());
            }
            event.data.detail.insert("link".into(), link.as_str().into());
            event
        };
        let content = |template: &str, event: &Event| {
            let body = format!(r#"{{"msgtype":"text","text":{{"content":"{template}"}}}}"#);
            let filled = fill_message(&body, event, "", Into::Json);
            let value: Value = serde_json::from_str(&filled).unwrap();
            value["text"]["content"].as_str().unwrap().to_owned()
        };
        let text = "{title}\\n{address}\\n联系人：{contact}\\n{note}\\n{grid} {head} {link}";
        for (address, contact, note) in [(300, 60, 400), (500, 500, 500), (200, 200, 220)] {
            let said = content(text, &long(address, contact, note));
            assert!((1_000..=2_048).contains(&said.len()), "{} bytes", said.len());
            assert!(said.starts_with("张秀英：紧急按钮求助\n长"), "{said}");
            assert!(said.ends_with(&format!("…\n桥北一网格 李建国 {link}")), "{said}");
        }
        let said = content(text, &long(300, 60, 400));
        assert!(said.contains(&format!("：{}\n", "长".repeat(60))), "a short value stays whole");
        assert!(!content(text, &long(100, 100, 100)).contains('…'));
        // Never below a length that still says something.
        let said = content(&"{note}".repeat(40), &long(0, 0, 500));
        assert_eq!(said, format!("{}…", "长".repeat(59)).repeat(40));
        // A long template of the site's own costs no value more than half.
        let said = content(&format!("{}{{note}}", "x".repeat(5_000)), &long(0, 0, 300));
        assert!(said.ends_with(&"长".repeat(300)));
        // What is said aloud is whole: a device is no robot.
        let say = "请".repeat(500);
        let filled = fill_message("{say}{note}{address}", &long(300, 0, 300), &say, Into::Plain);
        assert!(filled.starts_with(&say) && filled.contains('…'));
    }

    #[test]
    fn a_value_is_cut_at_characters_and_says_so() {
        let mut event = event(&press("opened", "")).unwrap();
        event.data.detail.insert("note".into(), "长".repeat(501).into());
        let filled = fill("{note}", &event, "", Into::Plain);
        assert_eq!(filled, format!("{}…", "长".repeat(499)));
        assert_eq!(fill("{note}", &event, "", Into::Topic), "长".repeat(500));
        event.data.detail.insert("note".into(), "长".repeat(500).into());
        assert_eq!(fill("{note}", &event, "", Into::Plain), "长".repeat(500));
    }

    #[test]
    fn names_are_filled_and_braces_of_json_stay() {
        let event = event(&press("opened", "")).unwrap();
        let filled = fill(
            r#"{"msgtype":"text","text":{"content":"{title} {grid} {head} {note} {address}{ x}"}}"#,
            &event,
            "",
            Into::Json,
        );
        let value: Value = serde_json::from_str(&filled).unwrap();
        assert_eq!(
            value["text"]["content"],
            "张秀英：紧急按钮求助 桥北一网格 李建国 钥匙\"在\"\n楼下 { x}"
        );
        assert_eq!(fill("z/{device}/{say}", &event, "a#b", Into::Topic), "z/b1/ab");
        // A name with slashes is one of the list, and never what a device calls itself.
        let listed = self::event(&press("opened", r#","device":"2楼/门卫室#""#)).unwrap();
        assert_eq!(fill("z/{device}/set", &listed, "", Into::Topic), "z/2楼/门卫室/set");
        let mut stranger = event.clone();
        stranger.data.sources[0].id = "bridge/request/x".into();
        assert_eq!(fill("z/{device}/set", &stranger, "", Into::Topic), "z/bridgerequestx/set");
        assert_eq!(unknown("{title} {titel} {\"a\":1} {}"), ["{titel}"]);
        assert_eq!(age_s(&event, "2026-07-01T03:00:30Z".parse().unwrap()), 30.0);
    }
}
