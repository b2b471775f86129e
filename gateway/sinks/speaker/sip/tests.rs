//! A call against a made speaker on loopback, which answers as it is told to.

use std::sync::{Arc, atomic::Ordering};

use super::*;
use crate::{
    domain::IncidentId,
    sinks::speaker::floor::{Floor, tests::OneCause},
};

/// How the made speaker behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Hears,
    Silent,
    Rings,
    Busy,
    AsksForPassword,
    HangsUp,
    PlaysForEver,
    NoAlaw,
    LosesTheFirst,
}

struct Speaker {
    address: SocketAddr,
    seen: tokio::task::JoinHandle<(Vec<String>, usize)>,
}

#[allow(clippy::too_many_lines, reason = "one conversation, with all its manners")]
/// What came: the methods in order, and how many packets of sound.
async fn speaker(manner: Manner) -> Speaker {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let seen = tokio::spawn(async move {
        let (media, _control) = rtp::pair([127, 0, 0, 1].into()).await.unwrap();
        let port = media.local_addr().unwrap().port();
        let sdp =
            |codec: u8| format!("v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio {port} RTP/AVP {codec}\r\n");
        let (mut methods, mut packets): (Vec<String>, usize) = (Vec::new(), 0);
        let (mut buffer, mut sound) = ([0; 4096], [0; 512]);
        loop {
            let received = tokio::select! {
                received = timeout(Duration::from_millis(2_500), socket.recv_from(&mut buffer)) => received,
                got = media.recv(&mut sound) => {
                    assert_eq!((got.unwrap(), sound[1] & 0x7f), (172, 8));
                    packets += 1;
                    continue;
                }
            };
            let Ok(Ok((len, from))) = received else { break };
            let message = SipMessage::read(&buffer[..len]).unwrap();
            let StartLine::Request { method } = &message.start else { continue };
            methods.push(method.clone());
            let own = |code: u16, more: &str, body: &str| {
                let len = body.len();
                let tail = format!(
                    "{more}Contact: <sip:hall@{address}>\r\nContent-Length: {len}\r\n\r\n{body}"
                );
                message.answer(code, "x").replace("Content-Length: 0\r\n\r\n", &tail)
            };
            let invites = methods.iter().filter(|one| *one == "INVITE").count();
            let answers: Vec<String> = match (method.as_str(), manner) {
                (_, Manner::Silent) | ("ACK", _) | ("BYE", Manner::PlaysForEver) => Vec::new(),
                ("INVITE", Manner::LosesTheFirst) if invites == 1 => Vec::new(),
                ("INVITE", Manner::Rings) => vec![own(180, "", "")],
                ("INVITE", Manner::Busy) => vec![own(486, "", "")],
                ("INVITE", Manner::NoAlaw) => vec![own(200, "", &sdp(0))],
                ("INVITE", Manner::AsksForPassword)
                    if message.header("Authorization").is_none() =>
                {
                    vec![own(
                        401,
                        "WWW-Authenticate: Digest realm=\"hall\", nonce=\"n\", qop=\"auth\", algorithm=MD5\r\n",
                        "",
                    )]
                }
                ("INVITE", _) => vec![own(100, "", ""), own(200, "", &sdp(8))],
                ("CANCEL", _) => vec![own(200, "", "")],
                _ => vec![own(200, "", "")],
            };
            for answer in answers {
                socket.send_to(answer.as_bytes(), from).await.unwrap();
            }
            if manner == Manner::HangsUp && method == "ACK" {
                let call = message.header("Call-ID").unwrap();
                let bye = format!(
                    "BYE sip:g SIP/2.0\r\nVia: v\r\nCall-ID: {call}\r\nCSeq: 9 BYE\r\n\r\n"
                );
                socket.send_to(bye.as_bytes(), from).await.unwrap();
            }
            if method == "BYE" && manner != Manner::PlaysForEver {
                // What came before the goodbye was heard before it.
                while media.try_recv(&mut sound).is_ok() {
                    packets += 1;
                }
                break;
            }
        }
        (methods, packets)
    });
    Speaker { address, seen }
}

/// A second and a half of sound; what the caller was told, and what the speaker saw.
async fn call(
    manner: Manner,
    password: Option<&str>,
) -> (Result<Option<Stop>, String>, Vec<String>, usize) {
    let speaker = speaker(manner).await;
    let callee = Callee {
        user: "hall".into(),
        address: speaker.address,
        username: password.map(|_| "gate".into()),
        password: password.map(str::to_owned),
        answer_within: Duration::from_millis(900),
    };
    let cause = Arc::new(OneCause::default());
    let floor = Floor::new(cause);
    let turn = floor.take(2).await;
    let attention = Attention { floor: &floor, turn: &turn, cause: incident() };
    let told = speak(&callee, &Sound(vec![1_000; 12_000]), &attention).await;
    let (methods, packets) = speaker.seen.await.unwrap();
    (told, methods, packets)
}

fn incident() -> IncidentId {
    "01900000-0000-7000-8000-000000000001".parse().unwrap()
}

#[tokio::test]
async fn a_speaker_that_hears_it_confirms_the_end() {
    let (told, methods, packets) = call(Manner::Hears, None).await;
    assert_eq!(told, Ok(None));
    assert_eq!(methods, ["INVITE", "ACK", "BYE"]);
    assert_eq!(packets, 75, "20 ms each");
}

#[tokio::test]
async fn a_lost_request_is_sent_again() {
    let (told, methods, _) = call(Manner::LosesTheFirst, None).await;
    assert_eq!(told, Ok(None));
    assert_eq!(methods, ["INVITE", "INVITE", "ACK", "BYE"]);
}

#[tokio::test]
async fn each_that_does_not_take_it_is_told_by_its_reason() {
    for (manner, why, seen) in [
        (Manner::Silent, "no answer within 900ms", vec!["INVITE", "INVITE"]),
        (Manner::Rings, "it rings and does not answer within 900ms", vec!["INVITE", "CANCEL"]),
        (Manner::Busy, "it is busy (486 x)", vec!["INVITE", "ACK"]),
        (Manner::NoAlaw, "it does not take G.711 A-law", vec!["INVITE", "ACK", "BYE"]),
        (Manner::HangsUp, "it hung up before the end", vec!["INVITE", "ACK"]),
        (
            Manner::AsksForPassword,
            "it asks for a password: set username and password_file",
            vec!["INVITE", "ACK"],
        ),
        (
            Manner::PlaysForEver,
            "it does not confirm the end: it may play for ever",
            vec!["INVITE", "ACK", "BYE", "BYE", "BYE"],
        ),
    ] {
        let (told, methods, _) = call(manner, None).await;
        assert_eq!(told, Err(why.to_owned()), "{manner:?}");
        assert_eq!(methods, seen, "{manner:?}");
    }
}

#[tokio::test]
async fn a_password_is_given_as_a_digest_and_never_in_the_clear() {
    let (told, methods, _) = call(Manner::AsksForPassword, Some("s3cret")).await;
    assert_eq!(told, Ok(None));
    assert_eq!(methods, ["INVITE", "ACK", "INVITE", "ACK", "BYE"]);
}

#[tokio::test]
async fn nobody_there_is_told_at_once_and_an_end_of_the_cause_hangs_up() {
    let free = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let callee = Callee {
        user: String::new(),
        address: free,
        username: None,
        password: None,
        answer_within: Duration::from_secs(5),
    };
    let cause = Arc::new(OneCause::default());
    let floor = Floor::new(cause.clone());
    let turn = floor.take(2).await;
    let attention = Attention { floor: &floor, turn: &turn, cause: incident() };
    let told = speak(&callee, &Sound(vec![0; 800]), &attention).await;
    assert_eq!(told, Err(format!("nobody listens at {free}")));
    let speaker = speaker(Manner::Hears).await;
    cause.over.store(true, Ordering::Relaxed);
    let callee = Callee { address: speaker.address, ..callee };
    let told = speak(&callee, &Sound(vec![0; 80_000]), &attention).await;
    assert_eq!(told, Ok(Some(Stop::CauseOver)));
    assert_eq!(speaker.seen.await.unwrap(), (vec!["INVITE".into(), "ACK".into(), "BYE".into()], 0));
}
