//! What is said of what, and what is never said: at a speaker that is a socket on loopback.

use std::sync::atomic::Ordering;

use jiff::Timestamp;
use tokio::net::UdpSocket;

use super::{
    config::{AnnounceConfig, SpeakerConfig},
    floor::tests::OneCause,
    say::NOT_SAID,
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
fn p10_a_plate_is_said_only_where_it_may_be_and_sign_by_sign() {
    let more = r#","vehicles":[{"thing":1,"plate":"晋B88886"},{"thing":2},{"thing":3,"plate":"晋B88886"}]"#;
    let event = event("opened", more);
    let of = |text: &str, say: bool| {
        let mut one = announce(&format!("say_plates = {say}"));
        one.zh = text.into();
        let saying = Saying::of(&config("rtp://127.0.0.1:9", vec![one.clone()]), &event, None);
        (one.problems().len(), saying.unwrap())
    };
    let (problems, saying) = of("请挪车，{plate}", true);
    assert_eq!((problems, saying.texts), (0, vec!["请挪车，晋 B 8 8 8 8 6".to_owned()]));
    assert_eq!(saying.event.data.plates(), ["晋B88886"], "a device that reads has it as it is");
    // Refused by `check`; and if it were said all the same, nobody would hear it whole.
    let (problems, saying) = of("请挪车，{plate}", false);
    assert_eq!(problems, 1);
    assert_eq!(saying.texts, ["请挪车，晋 B · 8 8 6"], "no sign that is masked is said");
    assert_eq!(saying.event.data.plates(), ["晋B·8**86"]);
    let (problems, saying) = of("请挪车", false);
    assert_eq!((problems, saying.texts), (0, vec!["请挪车".to_owned()]));
    let speaker = |say: bool| {
        let say = announce(&format!("say_plates = {say}"));
        crate::sinks::Config::Speaker(Box::new(config("rtp://127.0.0.1:9", vec![say])))
    };
    assert!(speaker(true).sends_plates() && !speaker(false).sends_plates());
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

/// One with a voice that is not there, so that it fails.
fn voiceless(config: &Config) -> Arc<Config> {
    let mut config = config.clone();
    config.voice.command = vec!["/nowhere/voice".into()];
    Arc::new(config)
}

fn delivery(what: &str, severity: u8, revision: u32) -> Delivery {
    let body = String::from_utf8(press(what, "")).unwrap();
    let body = body.replace("\"stage\":\"reopened\"", "\"stage\":\"opened\"");
    let body = body.replace("\"severity\":1", &format!("\"severity\":{severity}"));
    let body = body.replace("\"revision\":1", &format!("\"revision\":{revision}"));
    Delivery {
        event_id: revision.to_string(),
        kind: "emergency-button",
        rule: None,
        at: AT.parse().unwrap(),
        body: body.into(),
        link: None,
    }
}

/// Both lanes of one speaker.
struct World {
    sink: SpeakerSink,
    bulk: SpeakerSink,
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
        let of = |lane| SpeakerSink::new(&config, (&"s".into(), &ids), lane, &floor);
        Self { sink: of(Lane::Emergency), bulk: of(Lane::Bulk), cause, heard }
    }

    async fn tell(&mut self, what: &str) -> Result<(), DeliverError> {
        self.sink.deliver(&delivery(what, 1, 1)).await
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
    for what in ["accepted", "ended", "closed"] {
        assert_eq!(world.tell(what).await, Err(DeliverError::passed(NOTHING_BEGINS)), "{what}");
    }
    world.cause.over.store(true, Ordering::Relaxed);
    for what in ["opened", "updated"] {
        assert_eq!(world.tell(what).await, Err(DeliverError::passed(CAUSE_OVER)), "{what}");
    }
    assert_eq!(world.packets(), 0);
    // It goes on, and nothing is known of what was said before the start: once more is better than never.
    world.cause.over.store(false, Ordering::Relaxed);
    assert_eq!(world.tell("updated").await, Ok(()));
    assert!(world.packets() > 0);
    assert_eq!(world.tell("updated").await, Err(DeliverError::passed(NOTHING_BEGINS)));
    assert_eq!(world.packets(), 0);
}

#[tokio::test]
async fn what_becomes_an_emergency_is_said_once_though_the_other_lane_passed_it_over() {
    // Not urgent enough when it opened, or in quiet hours, or without a posture.
    for (more, why) in [
        ("severity_max = 1", "less urgent than what is said here"),
        ("quiet = [\"Mon-Sun 10:00-12:00\"]", "these are quiet hours"),
        ("postures = [\"flood\"]", "no posture holds in which it is said"),
    ] {
        let mut world = World::new(more).await;
        let opened = world.bulk.deliver(&delivery("opened", 2, 1)).await;
        assert_eq!(opened, Err(DeliverError::passed(why)));
        world.cause.flood.store(true, Ordering::Relaxed);
        assert_eq!(world.sink.deliver(&delivery("updated", 1, 2)).await, Ok(()), "{more}");
        assert!(world.packets() > 0, "{more}");
        let again = world.sink.deliver(&delivery("updated", 1, 3)).await;
        assert_eq!(again, Err(DeliverError::passed(NOTHING_BEGINS)), "{more}");
        assert_eq!(world.packets(), 0, "{more}");
    }
}

#[tokio::test]
async fn what_became_urgent_while_the_speaker_was_not_well_is_said_or_expires() {
    for mended in [true, false] {
        let mut world = World::new("severity_max = 2").await;
        let well = world.bulk.at.config.clone();
        let opened = world.bulk.deliver(&delivery("opened", 3, 1)).await;
        assert!(matches!(opened, Err(DeliverError::Passed { .. })), "{opened:?}");
        world.bulk.at.config = voiceless(&well);
        for _ in 0..2 {
            let told = world.bulk.deliver(&delivery("updated", 2, 2)).await;
            assert!(matches!(told, Err(DeliverError::Retry { .. })), "{told:?}");
        }
        world.cause.late_s.store(if mended { 60 } else { 61 }, Ordering::Relaxed);
        world.bulk.at.config = well;
        let told = world.bulk.deliver(&delivery("updated", 2, 2)).await;
        match mended {
            true => assert_eq!(told, Ok(())),
            false => assert!(matches!(told, Err(DeliverError::Expired { .. })), "{told:?}"),
        }
        assert_eq!(world.packets() > 0, mended);
        assert!(!world.bulk.at.floor.dealt().take_tried("2"), "settled, and kept all the same");
        // A newer record says it no more, but as an emergency.
        world.cause.late_s.store(0, Ordering::Relaxed);
        let newer = world.bulk.deliver(&delivery("updated", 2, 3)).await;
        assert_eq!(newer, Err(DeliverError::passed(NOTHING_BEGINS)));
        assert_eq!(world.sink.deliver(&delivery("updated", 1, 4)).await, Ok(()));
        assert!(world.packets() > 0);
    }
}

#[tokio::test]
async fn what_is_said_as_an_emergency_is_not_said_as_less_any_more() {
    let mut world = World::new("repeats = 5\nevery_s = 1").await;
    assert_eq!(world.bulk.deliver(&delivery("opened", 2, 1)).await, Ok(()));
    assert_eq!(world.sink.deliver(&delivery("updated", 1, 3)).await, Ok(()));
    let within = Duration::from_secs(4);
    let ended = tokio::time::timeout(within, world.bulk.refrains.join_next()).await;
    assert_eq!(ended.unwrap().unwrap().unwrap().1, 2, "it gives way at once");
    for (what, revision) in [("opened", 1), ("updated", 2)] {
        let older = world.bulk.deliver(&delivery(what, 2, revision)).await;
        assert!(matches!(older, Err(DeliverError::Passed { .. })), "{what}: {older:?}");
    }
}

#[tokio::test]
async fn what_began_anew_in_quiet_hours_is_said_when_they_are_over() {
    let mut world = World::new("quiet = [\"Mon-Sun 11:01-12:00\"]").await;
    assert_eq!(world.bulk.deliver(&delivery("opened", 2, 1)).await, Ok(()));
    world.cause.late_s.store(60, Ordering::Relaxed);
    let quiet = world.bulk.deliver(&delivery("reopened", 2, 5)).await;
    assert_eq!(quiet, Err(DeliverError::passed("these are quiet hours")));
    world.cause.late_s.store(0, Ordering::Relaxed);
    assert_eq!(world.bulk.deliver(&delivery("updated", 2, 6)).await, Ok(()));
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
    world.sink.at.config = voiceless(&world.sink.at.config);
    let told = world.tell("opened").await;
    let Err(DeliverError::Retry { reason, after_ms: Some(1_000) }) = told else {
        panic!("{told:?}")
    };
    assert_eq!(reason, "voice `/nowhere/voice`: is not installed");
    world.cause.over.store(true, Ordering::Relaxed);
    assert!(matches!(world.tell("opened").await, Err(DeliverError::Retry { .. })));
    world.cause.late_s.store(31, Ordering::Relaxed);
    assert!(matches!(world.tell("opened").await, Err(DeliverError::Expired { .. })));
    assert!(!world.sink.at.floor.dealt().take_tried("1"), "settled, and kept all the same");
}
