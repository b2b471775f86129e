//! Cameras that lie: they send us to others, answer without end, and write into our log.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use crate::world::{Button, Gateway, Receiver, RtspServer, Site, is_of, street, wait_for};

const USER: &str = "admin:S3cretPw";

/// Somebody at a port who keeps what he is told, and answers each request so.
struct Liar {
    port: u16,
    told: Arc<Mutex<Vec<String>>>,
}

impl Liar {
    fn start(host: &str, answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let (keeps, answer) = (told.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (keeps, answer) = (keeps.clone(), answer.clone());
                thread::spawn(move || converse(stream, &keeps, &*answer));
            }
        });
        Self { port, told }
    }

    /// Requests, and an empty text for each connection.
    fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }
}

fn converse(
    mut stream: TcpStream,
    told: &Mutex<Vec<String>>,
    answer: &(dyn Fn(&str, &mut TcpStream) + Send + Sync),
) {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    told.lock().unwrap().push(String::new());
    let (mut text, mut buffer) = (String::new(), [0; 4_096]);
    while let Ok(bytes @ 1..) = stream.read(&mut buffer) {
        text += &String::from_utf8_lossy(&buffer[..bytes]);
        while let Some(end) = text.find("\r\n\r\n") {
            let head: String = text.drain(..end + 4).collect();
            told.lock().unwrap().push(head.clone());
            answer(&head, &mut stream);
        }
    }
}

fn cseq(head: &str) -> &str {
    let line = head.lines().find(|line| line.to_lowercase().starts_with("cseq:"));
    line.and_then(|line| line.split_once(':')).map_or("1", |(_, number)| number.trim())
}

/// Answers OPTIONS and DESCRIBE with 302 to this address.
fn sends_to(location: String) -> Liar {
    Liar::start("127.0.0.1", move |head, stream| {
        let cseq = cseq(head);
        let said = format!("RTSP/1.0 302 Moved\r\nCSeq: {cseq}\r\nLocation: {location}\r\n\r\n");
        let _ = stream.write_all(said.as_bytes());
    })
}

/// Attack 48: FFmpeg follows wherever it is sent, and shows the camera's password there.
#[tokio::test(flavor = "multi_thread")]
async fn a_camera_sends_us_to_no_other_host_and_its_password_goes_nowhere() {
    // Whoever it is sent to asks for the password in the clear.
    let thief = Liar::start("127.0.0.2", |head, stream| {
        let said = format!(
            "RTSP/1.0 401 Unauthorized\r\nCSeq: {}\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\n",
            cseq(head)
        );
        let _ = stream.write_all(said.as_bytes());
    });
    let port = thief.port;
    let locations = [
        format!("rtsp://127.0.0.2:{port}/x"),
        format!("http://127.0.0.2:{port}/x"),
        format!("tcp://127.0.0.2:{port}"),
        format!("rtsp://127.0.0.1@127.0.0.2:{port}/x"),
        format!("rtsp://{}@127.0.0.2:{port}/x", "u".repeat(600)),
        "file:///etc/passwd".into(),
    ];
    let liars = locations.map(sends_to);
    let mut site = Site::demo();
    for (n, liar) in liars.iter().enumerate() {
        site =
            site.camera(&format!("liar-{n}"), format!("rtsp://{USER}@127.0.0.1:{}/1", liar.port));
    }
    let gateway = Gateway::start(&site).await;
    for (n, liar) in liars.iter().enumerate() {
        wait_for(&format!("the word on liar-{n}"), || {
            let (log, of) = (gateway.log(), format!("camera=\"liar-{n}\""));
            let told = |line: &str| line.contains(&of) && line.contains("302: the camera sends us");
            let there = log.lines().any(told);
            async move { there.then_some(()) }
        })
        .await;
        assert!(!liar.told().is_empty());
    }
    assert_eq!(thief.told(), Vec::<String>::new(), "nobody called there");
    assert!(!gateway.log().contains("S3cretPw"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_sends_us_to_another_port_of_its_own_is_seen_there() {
    let server = RtspServer::start(0, &street("h264"));
    let plain = server.with_user("x:y").replace("x:y@", "");
    let liar = sends_to(plain);
    let url = format!("rtsp://viewer:s3cret@127.0.0.1:{}/1", liar.port);
    let gateway = Gateway::start(Site::demo().camera("moved", url)).await;
    gateway.camera_is("gridpost_camera_up", "moved", |up| up == 1.0).await;
}

/// Sixteen kilobytes of description with more streams than anybody has.
fn many_streams() -> String {
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:t\r\n".repeat(200_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_end_cost_their_camera_and_bounded_memory() {
    let ok = "RTSP/1.0 200 OK\r\n";
    let endless = Liar::start("127.0.0.1", move |_, stream| {
        let line = format!("X: {}", "y".repeat(1 << 20));
        let _ = stream.write_all(ok.as_bytes());
        // Fifty megabytes of one head.
        for _ in 0..50 {
            if stream.write_all(line.as_bytes()).is_err() {
                return;
            }
        }
    });
    let flood = Liar::start("127.0.0.1", move |_, stream| {
        let lines = format!("{ok}CSeq: 0\r\n\r\n").repeat(1_000);
        for _ in 0..1_000 {
            if stream.write_all(lines.as_bytes()).is_err() {
                return;
            }
        }
    });
    let wide = Liar::start("127.0.0.1", move |head, stream| {
        let sdp = match head.starts_with("DESCRIBE") {
            true => format!("v=0\r\ns=x\r\nt=0 0\r\n{}", many_streams()),
            false => String::new(),
        };
        let said = format!(
            "{ok}CSeq: {}\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            cseq(head),
            sdp.len()
        );
        let _ = stream.write_all(said.as_bytes());
    });
    let receiver = Receiver::start().await;
    let mut site = Site::demo().button("btn-1").http(&receiver);
    for (id, liar) in [("endless", &endless), ("flood", &flood), ("wide", &wide)] {
        site = site.camera(id, format!("rtsp://{USER}@127.0.0.1:{}/1", liar.port));
        site = site.set("connect_timeout_s", 3);
    }
    let mut gateway = Gateway::start(&site).await;
    for id in ["endless", "flood", "wide"] {
        gateway.camera_is("gridpost_camera_failures_total", id, |failed| failed >= 1.0).await;
    }
    let mut button = Button::new("btn-1", gateway.intake.unwrap());
    button.press("btn-1", 1).await;
    receiver.wait("the press", |data| is_of(data, "emergency-button", "btn-1")).await;
    let memory = gateway.metric("gridpost_memory_bytes").await;
    assert!(memory < 400e6, "{memory}");
    assert!(!gateway.log().contains("S3cretPw"));
    gateway.must_stop_sound().await;
}

fn envelope(body: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Body>{body}</s:Body></s:Envelope>"
    )
}

/// What an ONVIF side answers to everything.
fn says(status: &str, more: &str, body: String) -> Liar {
    let head = format!("HTTP/1.1 {status}\r\n{more}Connection: close\r\n");
    Liar::start("127.0.0.1", move |_, stream| {
        let said = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        let _ = stream.write_all(said.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
    })
}

/// Attacks 38 and 47: a line of our log was forged.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_an_onvif_side_answers_nobody_else_is_asked_and_no_line_is_forged() {
    let elsewhere = Liar::start("127.0.0.2", |_, _| {});
    let other = format!("http://127.0.0.2:{}/x", elsewhere.port);
    let capabilities = |address: &str| {
        let events = format!("<Events><XAddr>{address}</XAddr></Events>");
        envelope(&format!(
            "<GetCapabilitiesResponse><Capabilities>{events}</Capabilities></GetCapabilitiesResponse>"
        ))
    };
    let forged = "line one\n2026-11-29T00:00:00.000000Z ERROR forged by a camera \u{85}\u{9b}31m";
    let fault = envelope(&format!(
        "<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code><s:Reason><s:Text>{forged}</s:Text></s:Reason></s:Fault>"
    ));
    let bomb =
        "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;\">]><x>&b;</x>";
    let liars = [
        says("200 OK", "", "<a>".repeat(19_000) + &"</a>".repeat(19_000)),
        says("200 OK", "", "<a>".repeat(170_000)),
        says("200 OK", "", bomb.into()),
        says("200 OK", "", envelope(&"<n/>".repeat(500_000))),
        says("200 OK", "", capabilities(&other)),
        says("200 OK", "", capabilities("file:///etc/passwd")),
        says("302 Found", &format!("Location: {other}\r\n"), String::new()),
        says("500 Internal Server Error", "", fault),
    ];
    let mut site = Site::demo().button("btn-1");
    for (n, liar) in liars.iter().enumerate() {
        let at = format!("http://{USER}@127.0.0.1:{}/onvif/device_service", liar.port);
        site = site.camera_by_onvif(&format!("liar-{n}"), &at);
    }
    let mut gateway = Gateway::start(&site).await;
    for liar in &liars {
        wait_for("a second question", || async {
            (liar.told().iter().filter(|told| !told.is_empty()).count() >= 2).then_some(())
        })
        .await;
    }
    for n in 0..liars.len() {
        gateway.logs(&format!("camera=\"liar-{n}\"")).await;
    }
    gateway.press("btn-1", "1");
    assert_eq!(elsewhere.told(), Vec::<String>::new(), "nobody else is asked");
    let log = gateway.log();
    assert!(
        !log.lines().any(|line| line.contains("ERROR forged") && line.starts_with("2026-11-29T00"))
    );
    assert!(!log.contains(['\u{85}', '\u{9b}', '\u{1b}']) && !log.contains("S3cretPw"));
    assert!(gateway.metric("gridpost_memory_bytes").await < 400e6);
    gateway.must_stop_sound().await;
}
