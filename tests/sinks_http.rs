//! HTTP sinks that are down, slow, wrong or lying, one gateway with one sink a fault: told, tried again, delivered once mended.

use std::{
    collections::HashMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::world::{
    Fault, Gateway, Mode, Receiver, Site, acceptor, certificates, check_in, is_of, wait_for,
};

/// A sink with something wrong, and how it is mended.
struct Case {
    id: &'static str,
    receiver: Receiver,
    url: String,
    /// Further keys of the sink.
    keys: Vec<(&'static str, String)>,
    /// Part of the sentence that tells why it is down.
    why: &'static str,
    mend: Box<dyn Fn(&Receiver)>,
}

impl Case {
    /// With these keys of the sink, which name files.
    fn with(mut self, keys: &[(&'static str, &str)]) -> Self {
        self.keys = keys.iter().map(|(key, file)| (*key, (*file).to_owned())).collect();
        self
    }

    fn add_to(&self, site: Site) -> Site {
        let sink = site.http_sink(self.id, &self.url).set("timeout_s", 1);
        self.keys.iter().fold(sink, |sink, (key, file)| sink.set(key, file))
    }
}

/// At this receiver itself.
fn at(
    id: &'static str,
    receiver: Receiver,
    why: &'static str,
    mend: impl Fn(&Receiver) + 'static,
) -> Case {
    let url = receiver.url.clone();
    Case { id, receiver, url, keys: Vec::new(), why, mend: Box::new(mend) }
}

/// Behind a network that is broken in this way.
async fn behind(id: &'static str, mode: Mode, why: &'static str) -> Case {
    let receiver = Receiver::start().await;
    let fault = Fault::start(mode, receiver.port);
    let url = format!("http://127.0.0.1:{}/events", fault.port);
    Case { url, ..at(id, receiver, why, move |_| fault.set(Mode::Pass)) }
}

/// Answers so to everything, with these headers.
async fn answering(id: &'static str, code: u16, headers: Headers, why: &'static str) -> Case {
    let receiver = Receiver::start().await;
    receiver.answer_with(move |_, _| (code, headers()));
    at(id, receiver, why, |receiver| receiver.answer(|_| 200))
}

type Headers = fn() -> Vec<(&'static str, String)>;

/// Wants another token than the one in the file; the file is replaced.
async fn wrong_token(folder: &Path) -> Case {
    let receiver = Receiver::start().await;
    receiver.answer_with(|_, headers| {
        let known = headers.get("authorization").is_some_and(|value| value == "Bearer new");
        (if known { 200 } else { 401 }, Vec::new())
    });
    let file = folder.join("token");
    fs::write(&file, "old\n").unwrap();
    let mend = move |_: &Receiver| {
        fs::write(file.with_extension("new"), "new\n").unwrap();
        fs::rename(file.with_extension("new"), &file).unwrap();
    };
    at("unknown", receiver, "answered 401", mend).with(&[("token_file", "token")])
}

/// Its certificate has run out; it gets another.
async fn expired(folder: &Path) -> Case {
    let old = acceptor(folder, "expired.pem", "expired-key.pem", false);
    let receiver = Receiver::start_tls_with(old).await;
    let new = acceptor(folder, "cert.pem", "key.pem", false);
    let mend = move |receiver: &Receiver| receiver.renew(new.clone());
    at("expired", receiver, "the server's certificate has expired", mend)
        .with(&[("ca_file", "ca.pem")])
}

/// The file with its authority is not there, then it is another's, then it is right.
async fn wrong_authority(folder: &Path, id: &'static str, first: Option<&Path>) -> Case {
    let receiver = Receiver::start_tls(folder).await;
    let file = folder.join(format!("{id}.pem"));
    if let Some(first) = first {
        fs::copy(first, &file).unwrap();
    }
    let right = folder.join("ca.pem");
    let mend = move |_: &Receiver| {
        fs::copy(&right, &file).unwrap();
    };
    let why = if first.is_some() { "no authority that we trust" } else { "cannot be read" };
    at(id, receiver, why, mend).with(&[("ca_file", &format!("{id}.pem"))])
}

/// It asks for our certificate, and the file that it came from is not ours to begin with.
async fn unknown_client(folder: &Path, other: &Path) -> Case {
    let receiver = Receiver::start_tls_with(acceptor(folder, "cert.pem", "key.pem", true)).await;
    for (from, to) in [("client.pem", "our.pem"), ("client-key.pem", "our-key.pem")] {
        fs::copy(other.join(from), folder.join(to)).unwrap();
    }
    let our = folder.to_owned();
    let mend = move |_: &Receiver| {
        for (from, to) in [("client.pem", "our.pem"), ("client-key.pem", "our-key.pem")] {
            fs::copy(our.join(from), our.join(to)).unwrap();
        }
    };
    at("mutual", receiver, "the server does not accept us; see client_cert_file", mend).with(&[
        ("ca_file", "ca.pem"),
        ("client_cert_file", "our.pem"),
        ("client_key_file", "our-key.pem"),
    ])
}

fn in_three_seconds() -> Vec<(&'static str, String)> {
    let date = "Sun, 06 Nov 1994 08:49:37 GMT".to_owned();
    vec![("date", date), ("retry-after", "Sun, 06 Nov 1994 08:49:40 GMT".into())]
}

async fn cases(folder: &TempDir, other: &TempDir) -> Vec<Case> {
    let (folder, other) = (folder.path(), other.path());
    let (none, seconds): (Headers, Headers) = (Vec::new, || vec![("retry-after", "2".into())]);
    vec![
        behind("refuses", Mode::Refuse, "cannot connect").await,
        behind("hangs", Mode::Hang, "no whole answer within 1s").await,
        behind("half", Mode::Half, "no whole answer within 1s").await,
        behind("closes", Mode::Close, "the connection broke before an answer").await,
        answering("broken", 500, none, "answered 500").await,
        answering("busy", 429, seconds, "answered 429").await,
        answering("busy-until", 429, in_three_seconds, "answered 429").await,
        wrong_token(folder).await,
        expired(folder).await,
        wrong_authority(folder, "stranger", Some(&other.join("ca.pem"))).await,
        wrong_authority(folder, "late-file", None).await,
        unknown_client(folder, other).await,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_p7_each_sick_sink_is_told_by_name_and_cause_and_delivers_once_mended() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    certificates(folder.path());
    certificates(other.path());
    let well = Receiver::start().await;
    let cases = cases(&folder, &other).await;
    let site = Site::demo().http_sink("well", &well.url).set("timeout_s", 1);
    let site = cases.iter().fold(site, |site, case| case.add_to(site));
    let gateway = Gateway::start_in(folder, &site, &[]).await;
    let pressed = Instant::now();
    gateway.press("b-1", "1");
    let event = well.wait("the press", |data| data["sources"][0]["id"] == "b-1").await;
    assert!(pressed.elapsed() < Duration::from_secs(5), "the sick ones held the well one up");
    for case in &cases {
        let down = |data: &Value| is_of(data, "sink-down", case.id);
        let told = well.wait(&format!("the word on `{}`", case.id), down).await;
        let why = told["data"]["why"].as_str().unwrap();
        println!("{}: {why}", case.id);
        assert!(why.contains(case.why), "{}: {why}", case.id);
        assert!(!why.contains("http"), "an url may hold credentials: {why}");
        assert!(case.receiver.events().is_empty(), "{} took something", case.id);
    }
    assert_eq!(gateway.metric("gridpost_sink_up").await, 1.0, "only the well one is up");
    let (code, ready) = gateway.get("/readyz").await;
    assert_eq!(code, 503);
    for case in &cases {
        assert!(ready.to_string().contains(&format!("sink {}: ", case.id)), "{ready}");
    }
    // What was asked for by Retry-After is what came between the first tries.
    let id = event["id"].as_str().unwrap();
    for (name, least) in [("busy", 2), ("busy-until", 3)] {
        let case = cases.iter().find(|case| case.id == name).unwrap();
        let tries = case.receiver.tries(id);
        let gap = tries[1] - tries[0];
        assert!(gap >= Duration::from_secs(least), "{name} was asked again after {gap:?}");
    }

    for case in &cases {
        (case.mend)(&case.receiver);
    }
    let all = cases.len() as f64 + 1.0;
    gateway.metric_is("gridpost_sink_up", |up| up == all).await;
    wait_for("the same state at every sink", || {
        let known = well.state();
        let same = cases.iter().all(|case| case.receiver.state() == known);
        async move { same.then_some(()) }
    })
    .await;
    for case in &cases {
        let mut seen: HashMap<String, Value> = HashMap::new();
        for event in case.receiver.events() {
            let id = event["id"].as_str().unwrap().to_owned();
            // A second copy is allowed (an answer may be lost on the way), another content is not.
            let before = seen.insert(id, event.clone());
            assert!(before.is_none_or(|before| before == event), "{}: {event}", case.id);
        }
        assert!(seen.contains_key(id), "{} never had the press", case.id);
    }
}

/// What is refused for good is kept with the answer, and what comes after it goes through.
#[tokio::test(flavor = "multi_thread")]
async fn p4_a_notice_that_is_refused_is_dead_lettered_and_what_follows_goes_through() {
    let (well, wrong) = (Receiver::start().await, Receiver::start().await);
    wrong.answer(|event| if event["data"]["kind"] == "sink-down" { 400 } else { 200 });
    let gone = Fault::start(Mode::Refuse, wrong.port);
    let gone_at = format!("http://127.0.0.1:{}/events", gone.port);
    let mut site = Site::demo();
    for (id, url) in [("well", &well.url), ("wrong", &wrong.url), ("gone", &gone_at)] {
        site = site.http_sink(id, url).set("timeout_s", 1);
    }
    let gateway = Gateway::start(&site).await;
    gateway.press("b-1", "1");
    wrong.wait("the press", |data| data["kind"] == "emergency-button").await;
    gateway.metric_is("gridpost_dead_lettered_total", |dead| dead >= 1.0).await;
    assert!(gateway.log().contains("400 Bad Request"), "the answer is not in the log");
    gateway.press("b-2", "1");
    wrong.wait("the next press", |data| data["sources"][0]["id"] == "b-2").await;
}

/// A file that is not there yet is a warning; what can never work is an error.
#[tokio::test(flavor = "multi_thread")]
async fn missing_files_are_warnings_of_check_and_half_a_pair_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let check = |keys: &[(&str, &str)]| {
        let sink = Site::demo().http_sink("grid", "https://127.0.0.1:9/events");
        let site = keys.iter().fold(sink, |sink, (key, value)| sink.set(key, value));
        check_in(folder.path(), &site.text())
    };
    let cert = ("client_cert_file", "client.pem");
    for (key, value, code, said) in [
        ("ca_file", "none.pem", 0, "sink[1].ca_file: "),
        ("ca_file", "key.pem", 0, "key.pem: no certificate in it"),
        ("token_file", "none", 0, "none is not there"),
        ("client_cert_file", "client.pem", 2, "needs client_key_file too"),
        (
            "evidence_url",
            "https://127.0.0.1:9/evidence",
            2,
            "sink[1].evidence_url: needs send_pictures = true beside it",
        ),
    ] {
        check(&[(key, value)]).must_say(code, [said]);
    }
    check(&[cert, ("client_key_file", "key.pem")]).must_say(0, ["client.pem and "]);
    let pictures = Site::demo().http_sink("grid", "https://127.0.0.1:9/events");
    let pictures = pictures.set("send_pictures", true);
    check_in(folder.path(), &pictures.text())
        .must_say(2, ["sink[1].send_pictures: needs evidence_url beside it"]);
    check_in(folder.path(), &pictures.set("evidence_url", "ftp://127.0.0.1/e").text())
        .must_say(2, ["sink[1].evidence_url: `ftp`: expected http://"]);
    let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(folder.path().join("client-key.pem"), own).unwrap();
    let pair = check(&[cert, ("client_key_file", "client-key.pem")]);
    assert!(pair.code == 0 && !pair.said().contains("warning"), "{}", pair.said());
}
