//! Addresses that may hold a password: how they are printed, and what is wrong with one. Pure.
//!
//! **I5** A credential is never printed. An address is shown only as far as each part of it is known to
//! be none: scheme, host, port, words of a path, and values of names that say which stream is meant.
//! One that cannot be taken apart for certain is not shown at all. What is wrong with an address is
//! said without a word of it. A value that came by `${NAME}` is shown as that name
//! (`config/read.rs`); what is said of a failed request to a sink leaves its url out
//! (`sinks/http/link.rs`); a difference between two configurations names keys and no values
//! (`config/diff.rs`). All other secrets are read from files, and messages name the file.

use url::Url;

/// Names in a path or query whose value says which stream is meant.
const HARMLESS: &[&str] = &[
    "channel",
    "stream",
    "subtype",
    "streamtype",
    "type",
    "profile",
    "ch",
    "track",
    "trackid",
    "unicast",
    "transportmode",
    "proto",
    "id",
    "res",
    "resolution",
    "codec",
    "videocodec",
    "fps",
    "inst",
    "camera",
    "cam",
];
/// A harmless value is short.
const VALUE_CHARS_MAX: usize = 16;

/// An address as it may be printed. What has no `://` is a file, and shown as it is.
pub fn redact(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return if text.contains('@') { "…".into() } else { text.to_owned() };
    };
    let plain = scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let hidden = if plain { format!("{scheme}://…") } else { "…".into() };
    // An `@` behind the authority: who typed it may have meant all before it as the password.
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if rest[authority.len()..].contains('@') || !plain {
        return hidden;
    }
    match Url::parse(text) {
        Ok(url) if url.has_host() => {
            let host = url.host_str().unwrap_or_default();
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            let path = without_values(url.path());
            let query = url.query().map(|query| format!("?{}", without_values(query)));
            format!("{scheme}://{host}{port}{path}{}", query.unwrap_or_default())
        }
        _ => hidden,
    }
}

/// Words as they are, and of `name=value` only values that say which stream is meant. After a value that
/// was left out all is left out up to the next name: it may be the rest of it.
fn without_values(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut hides = false;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(['/', '&', '_', ';', '?', ',']).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(end);
        match word.split_once('=') {
            Some((name, value)) => {
                let known = HARMLESS.contains(&name.to_ascii_lowercase().as_str());
                let harmless = known
                    && value.len() <= VALUE_CHARS_MAX
                    && value.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
                hides = !harmless;
                shown.push_str(name);
                shown.push('=');
                shown.push_str(if harmless { value } else { "***" });
            }
            None if hides => {}
            None => shown.push_str(word),
        }
        let mut marks = tail.chars();
        if let Some(mark) = marks.next() {
            let goes_on = hides && !next_has_name(marks.as_str());
            if !goes_on {
                shown.push(mark);
            }
        }
        rest = marks.as_str();
    }
    shown
}

/// Whether the word that follows is a `name=value`.
fn next_has_name(rest: &str) -> bool {
    rest.split(['/', '&', '_', ';', '?', ',']).next().is_some_and(|word| word.contains('='))
}

/// What is wrong with the address of a stream, and what to write; without a word of it.
pub fn problem(text: &str, schemes: &[&str]) -> Option<String> {
    let expected = || {
        let all: Vec<String> = schemes.iter().map(|scheme| format!("{scheme}://…")).collect();
        format!("expected {}", all.join(" or "))
    };
    let Some((scheme, rest)) = text.split_once("://") else { return Some(expected()) };
    if !schemes.contains(&scheme) {
        return Some(expected());
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Some("a blank stands in it; write %20 for one that belongs there".into());
    }
    let files = "or use `username` and `password_file`";
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let behind = &rest[authority.len()..];
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    // The user's part ends at the last `@`, where what is before it cannot be a host.
    if behind.contains('@') && !(authority.contains('@') && is_host(host)) {
        let mark = behind.chars().next().unwrap_or('/');
        let code = format!("%{:02X}", u32::from(mark));
        return Some(format!(
            "a `{mark}` stands before its `@`; if it is part of the password, write {code} for it, {files}"
        ));
    }
    if authority.matches('@').count() > 1 {
        return Some(format!("more than one `@` stands in it; write %40 in the password, {files}"));
    }
    if let Some((user, _)) = authority.rsplit_once('@')
        && bad_percent(user)
    {
        return Some(format!(
            "a `%` in its user or password begins no code; write %25 for it, {files}"
        ));
    }
    if host.is_empty() {
        return Some("no host stands in it".into());
    }
    host_problem(host).or_else(|| {
        // Its own words name no part of the address.
        Url::parse(text).err().map(|error| error.to_string())
    })
}

fn host_problem(host: &str) -> Option<String> {
    if !host.starts_with('[') && host.matches(':').count() > 1 {
        return Some(
            "an IPv6 address stands in brackets: write [2001:db8::5], with a port [2001:db8::5]:554"
                .into(),
        );
    }
    let port = match host.rsplit_once(']') {
        Some((_, after)) => after.strip_prefix(':'),
        None => host.split_once(':').map(|(_, port)| port),
    };
    let fits = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    (!fits).then(|| "its port: expected a number from 1 to 65535".into())
}

/// Whether this can be where a camera is: an address, a name with a dot, or one with a port.
fn is_host(text: &str) -> bool {
    let name = text.split(':').next().unwrap_or_default();
    let fit = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    text.starts_with('[')
        || (!name.is_empty()
            && name.chars().all(fit)
            && (name.contains('.') || text.contains(':') || name == "localhost"))
}

fn bad_percent(text: &str) -> bool {
    let digits = |tail: &str| {
        tail.len() >= 2
            && tail.is_char_boundary(2)
            && tail[..2].chars().all(|c| c.is_ascii_hexdigit())
    };
    text.match_indices('%').any(|(at, _)| !digits(&text[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i5_credentials_never_show() {
        for (url, shown) in [
            (
                "rtsp://192.0.2.1:554/user=admin_password=tlJwpbo6_channel=1_stream=0.sdp?real",
                "rtsp://192.0.2.1:554/user=***_password=***_channel=1_stream=0.sdp?real",
            ),
            (
                "rtsp://192.0.2.1:554/user=admin&password=s3cret&channel=1&stream=0.sdp",
                "rtsp://192.0.2.1:554/user=***&password=***&channel=1&stream=0.sdp",
            ),
            (
                "rtsp://h.example/password=a_s3cret/b_channel=2",
                "rtsp://h.example/password=***_channel=2",
            ),
            (
                "rtsp://192.0.2.1/?loginuse=u&loginpas=s3cret",
                "rtsp://192.0.2.1/?loginuse=***&loginpas=***",
            ),
            ("rtsp://u:s3cret%40ss@192.0.2.1:554/a?b=1", "rtsp://192.0.2.1:554/a?b=***"),
            ("rtsp://admin:12#s3cret@192.0.2.1/a", "rtsp://…"),
            ("rtsp://admin:s3cret/x@192.0.2.1/a", "rtsp://…"),
            ("rtsp://admin:s3cret?x@192.0.2.1/a", "rtsp://…"),
            ("rtsp://u:s3cret@[bad/a", "rtsp://…"),
            ("rtsp://u:s3cret@192.0.2.1:99999/a", "rtsp://…"),
            ("rtsp://192.0.2.1/a#s3cret", "rtsp://192.0.2.1/a"),
            (
                "rtsp://192.0.2.1/cam/realmonitor?channel=1&subtype=0",
                "rtsp://192.0.2.1/cam/realmonitor?channel=1&subtype=0",
            ),
            ("rtsp://192.0.2.1/Streaming/Channels/101", "rtsp://192.0.2.1/Streaming/Channels/101"),
            ("rtsp://192.0.2.1/a?channel=s3cret%21", "rtsp://192.0.2.1/a?channel=***"),
            ("admin:s3cret@192.0.2.1/a", "…"),
            ("clip.mp4", "clip.mp4"),
        ] {
            assert_eq!(redact(url), shown, "{url}");
            assert!(!redact(url).contains("s3cret"), "{url}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_address_is_said_with_what_to_write() {
        let rtsp: &[&str] = &["rtsp", "rtsps"];
        for fine in [
            "rtsp://192.0.2.1/a",
            "rtsp://u:p@192.0.2.1:554/a?b=1&c",
            "rtsps://u:p%23@[2001:db8::5]:322/a",
            "rtsp://u:a:b@192.0.2.1/a",
            "rtsp://gate.local/a",
            "rtsp://u:p@192.0.2.1/live@main",
            "rtsp://h/1",
            "rtsp://192.0.2.1:1/a",
            "rtsp://192.0.2.1:65535/a",
            "rtsp://[::1]/a",
        ] {
            assert_eq!(problem(fine, rtsp), None, "{fine}");
        }
        for (wrong, part) in [
            ("192.0.2.1/s3cret", "expected rtsp://… or rtsps://…"),
            ("http://u:s3cret@h/", "expected rtsp://… or rtsps://…"),
            ("rtsp://admin:12#s3cret@192.0.2.1/a", "write %23"),
            ("rtsp://admin:12/s3cret@192.0.2.1/a", "write %2F"),
            ("rtsp://admin:12?s3cret@192.0.2.1/a", "write %3F"),
            ("rtsp://admin:12@s3cret@192.0.2.1/a", "write %40"),
            ("rtsp://admin:p@ss/s3cret@192.0.2.1/a", "write %2F"),
            ("rtsp://admin:s3cret%zz@192.0.2.1/a", "write %25"),
            ("rtsp://admin:s3cret@192.0.2.1:99999/a", "1 to 65535"),
            ("rtsp://192.0.2.1:0/a", "1 to 65535"),
            ("rtsp://192.0.2.1:65536/a", "1 to 65535"),
            ("rtsp://192.0.2.1:/a", "1 to 65535"),
            ("rtsp://2001:db8::5/a", "in brackets"),
            ("rtsp://u:s3cret@2001:db8::5:554/a", "in brackets"),
            ("rtsp://u:s3cret@/a", "no host"),
            ("rtsp://u:s3 cret@h/a", "%20"),
        ] {
            let said = problem(wrong, rtsp).unwrap_or_else(|| panic!("{wrong} is taken"));
            assert!(said.contains(part) && !said.contains("s3cret"), "{wrong}: {said}");
        }
    }
}
