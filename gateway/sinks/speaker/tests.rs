//! What is said of what, and what is never said: at a speaker that is a socket on loopback.

use std::sync::atomic::Ordering;

use tokio::net::UdpSocket;

use super::{
    config::{AnnounceConfig, SpeakerConfig},
    floor::tests::OneCause,
    *,
};
use crate::sinks::template::tests::press;

const AT: &str = "2026-07-01T03:00:00Z";

fn announce(more: &str) -> AnnounceConfig {
    let known = "id = \"a\"\nspeakers = [\"hall\"]\nzh = \"{grid}有人求助\"\n";
    let rest = if more.contains("kinds") || more.contains("rules") {
        ""
    } else {
        "kinds = [\"emergency-button\"]\n"
    };
    toml::from_str(&format!("{known}{rest}{more}")).unwrap()
}

fn config(way: &str, announce: Vec<AnnounceConfig>) -> Config {
    let speaker: SpeakerConfig =
        toml::from_str(&format!("id = \"hall\"\nway = \"{way}\"")).unwrap();
    // Half a second of sound, whatever the text is.
    let made = "printf 'RIFF\\0\\0\\0\\0WAVEfmt \\020\\0\\0\\0\\001\\0\\001\\0\\100\\037\\0\\0\\0\\0\\0\\0\\0\\0\\020\\0data\\377\\377\\377\\377'; head -c 8000 /dev/zero";
    let command = ["sh", "-c", made].map(str::to_owned).to_vec();
    Config {
        speaker,
        announce,
        voice: VoiceConfig { command, ..VoiceConfig::default() },
        grid: Some("G1".into()),
        timezone: "Asia/Shanghai".into(),
    }
}

fn event(what: &str, more: &str) -> Event {
    template::event(&press(what, more)).unwrap()
}

fn said(announce_more: &str, what: &str, rule: Option<&str>) -> Result<Vec<String>, &'static str> {
    let config = config("rtp://127.0.0.1:9", vec![announce(announce_more)]);
    Saying::of(&config, &event(what, ""), rule).map(|saying| saying.texts)
}

#[test]
fn what_is_said_of_which_incident() {
    let heard = Ok(vec!["桥北一网格有人求助".to_owned()]);
    assert_eq!(said("", "opened", None), heard);
    assert_eq!(said("kinds = [\"rain\"]", "opened", None), Err(NOT_SAID));
    assert_eq!(said("rules = [\"r\"]", "opened", Some("r")), heard);
    assert_eq!(said("rules = [\"r\"]", "opened", Some("q")), Err(NOT_SAID));
    assert_eq!(said("grids = [\"G1\"]", "opened", None), heard);
    assert_eq!(said("grids = [\"G2\"]", "opened", None), Err(NOT_SAID));
    assert_eq!(said("sources = [\"b1\"]", "opened", None), heard);
    assert_eq!(said("sources = [\"b2\"]", "opened", None), Err(NOT_SAID));
    let both = said("en = \"Somebody calls for help\"", "opened", None).unwrap();
    assert_eq!(both[1], "Somebody calls for help");
    // Without speakers, those of its grid.
    let mut elsewhere = config("rtp://127.0.0.1:9", vec![announce("")]);
    elsewhere.announce[0].speakers.clear();
    assert!(Saying::of(&elsewhere, &event("opened", ""), None).is_ok());
    elsewhere.grid = Some("G2".into());
    assert!(Saying::of(&elsewhere, &event("opened", ""), None).is_err());
}

#[test]
fn quiet_hours_and_postures_hold_back_all_but_emergencies() {
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let causes = OneCause::default();
    let of = |more: &str, severity: u8| {
        let mut event = event("opened", "");
        event.data.severity = severity.try_into().unwrap();
        Saying::of(&config("rtp://127.0.0.1:9", vec![announce(more)]), &event, None).unwrap()
    };
    let noon: Timestamp = "2026-07-01T12:00:00+08:00".parse().unwrap();
    let night: Timestamp = "2026-07-01T23:00:00+08:00".parse().unwrap();
    let quiet = "quiet = [\"Mon-Sun 22:00-06:30\"]";
    assert!(of(quiet, 2).is_unfit(noon, &zone, &causes).is_none());
    assert!(of(quiet, 2).is_unfit(night, &zone, &causes).is_some());
    assert!(of(quiet, 1).is_unfit(night, &zone, &causes).is_none());
    let flood = "postures = [\"flood\"]";
    assert!(of(flood, 1).is_unfit(noon, &zone, &causes).is_some());
    causes.flood.store(true, Ordering::Relaxed);
    assert!(of(flood, 2).is_unfit(noon, &zone, &causes).is_none());
    assert_eq!((of("", 1).valid_s, of("", 2).valid_s, of("valid_s = 5", 1).valid_s), (600, 60, 5));
}

struct World {
    sink: SpeakerSink,
    cause: Arc<OneCause>,
    heard: UdpSocket,
}

impl World {
    async fn new(more: &str) -> Self {
        let heard = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let way = format!("rtp://{}", heard.local_addr().unwrap());
        let cause = Arc::new(OneCause::default());
        let floor = Floor::new(cause.clone());
        let config = config(&way, vec![announce(more)]);
        let ids = ClientIds::default();
        let sink = SpeakerSink::new(&config, (&"s".into(), &ids), Lane::Emergency, &floor);
        Self { sink, cause, heard }
    }

    async fn tell(&mut self, what: &str) -> Result<(), DeliverError> {
        let delivery = Delivery {
            event_id: "1".into(),
            kind: "emergency-button",
            rule: None,
            at: AT.parse().unwrap(),
            body: press(what, "").into(),
            link: None,
        };
        self.sink.deliver(&delivery).await
    }

    /// Packets that came so far.
    fn packets(&self) -> usize {
        let mut packet = [0; 512];
        std::iter::from_fn(|| self.heard.try_recv(&mut packet).ok()).count()
    }
}

#[tokio::test]
async fn what_is_in_time_is_said_and_what_is_late_never_is() {
    let mut world = World::new("valid_s = 30").await;
    assert_eq!(world.tell("opened").await, Ok(()));
    // Twice 0.2 s before the first word and half a second, and the pause between.
    assert_eq!(world.packets(), 95);
    world.cause.late_s.store(30, Ordering::Relaxed);
    assert_eq!(world.tell("opened").await, Ok(()), "at the very end");
    assert!(world.packets() > 0);
    world.cause.late_s.store(31, Ordering::Relaxed);
    let late = world.tell("opened").await;
    assert!(
        matches!(&late, Err(DeliverError::Expired { why }) if why.starts_with("not said within 30 s")),
        "{late:?}"
    );
    assert_eq!(world.packets(), 0);
}

#[tokio::test]
async fn what_has_no_cause_any_more_is_not_begun_and_what_begins_nothing_is_passed_over() {
    let mut world = World::new("").await;
    for what in ["updated", "accepted", "ended", "closed"] {
        assert!(matches!(world.tell(what).await, Err(DeliverError::Passed { .. })), "{what}");
    }
    world.cause.over.store(true, Ordering::Relaxed);
    assert_eq!(world.tell("opened").await, Err(DeliverError::passed("its cause is over")));
    assert_eq!(world.packets(), 0);
}

#[tokio::test]
async fn a_cause_that_ends_stops_the_words_and_what_is_said_again() {
    let mut world = World::new("repeats = 5\nevery_s = 1").await;
    assert_eq!(world.tell("opened").await, Ok(()));
    world.packets();
    // It is said again after a second.
    let mut packet = [0; 512];
    world.heard.recv(&mut packet).await.unwrap();
    world.cause.over.store(true, Ordering::Relaxed);
    let ended = world.sink.refrains.join_next().await;
    assert!(ended.unwrap().is_ok(), "the refrain is over with its cause");
    assert!(world.packets() < 40, "it stopped in the middle");
}

#[tokio::test]
async fn a_voice_that_fails_is_tried_again_until_the_time_is_over() {
    let mut world = World::new("valid_s = 30").await;
    let mut broken = (*world.sink.at.config).clone();
    broken.voice.command = vec!["/nowhere/voice".into()];
    world.sink.at.config = Arc::new(broken);
    let told = world.tell("opened").await;
    let Err(DeliverError::Retry { reason, after_ms: Some(1_000) }) = told else {
        panic!("{told:?}")
    };
    assert_eq!(reason, "voice `/nowhere/voice`: is not installed");
    world.cause.over.store(true, Ordering::Relaxed);
    assert!(matches!(world.tell("opened").await, Err(DeliverError::Retry { .. })));
    world.cause.late_s.store(31, Ordering::Relaxed);
    assert!(matches!(world.tell("opened").await, Err(DeliverError::Expired { .. })));
}
