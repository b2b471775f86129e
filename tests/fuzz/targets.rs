//! Everything that reads bytes from outside: what is fed to it, from which seeds, and what must hold.
//!
//! Shared by the bounded tests of `make test` (mod.rs) and by the guided fuzzer of `make fuzz` (guided/).

#[path = "conversations.rs"]
mod conversations;
#[path = "drones.rs"]
mod drones;

use std::path::{Path, PathBuf};

use gridpost::{
    config::{self, Grids, ReadGrids, env::FixedEnvironment},
    console,
    domain::{Body, Clock, Datum, Measure, Now, Place, PressForm, READINGS_KEPT},
    sources::{
        codecs::{Codecs, Listed, Message, ModelConfig},
        intake, onvif,
        recorded::Recorded,
        sl651,
    },
    store::fuzzing,
};

/// The largest input, bytes: larger ones only take longer.
pub const INPUT_BYTES_MAX: usize = 16 * 1024;
/// A quarantined payload is cut at this.
const QUARANTINE_BYTES_MAX: usize = 64 * 1024;

/// One decoder.
pub struct Target {
    pub name: &'static str,
    /// Panics if something does not hold.
    pub run: fn(&[u8]),
    /// Good inputs, to be broken.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

pub const TARGETS: &[Target] = &[
    Target { name: "press", run: press, seeds: presses },
    Target { name: "reply", run: reply, seeds: replies },
    Target { name: "session", run: conversations::session, seeds: conversations::sessions },
    Target { name: "journal_bytes", run: journal_bytes, seeds: journals },
    Target { name: "journal_records", run: journal_records, seeds: records },
    Target { name: "config", run: config_text, seeds: configs },
    Target { name: "grids", run: grids, seeds: geojson },
    Target { name: "buttons", run: buttons, seeds: csv },
    Target { name: "signals", run: signals, seeds: jsonl },
    Target { name: "gauge", run: press, seeds: gauges },
    Target { name: "sl651", run: sl651_bytes, seeds: frames },
    Target { name: "range", run: range, seeds: ranges },
    Target { name: "klv", run: drones::klv, seeds: drones::klv_seeds },
    Target { name: "osd", run: drones::osd, seeds: drones::osd_seeds },
    Target { name: "onvif", run: onvif_answer, seeds: onvif_answers },
    Target { name: "broker", run: conversations::broker, seeds: conversations::brokers },
    Target { name: "users", run: users, seeds: user_files },
];

/// What a camera answers to our SOAP.
fn onvif_answer(bytes: &[u8]) {
    assert!(onvif::fuzz_answer(bytes) <= 256);
}

fn onvif_answers() -> Vec<Vec<u8>> {
    let notice = "<w:NotificationMessage><w:Topic>tns1:RuleEngine/CellMotionDetector/Motion</w:Topic><w:Message><t:Message PropertyOperation=\"Changed\"><t:Source><t:SimpleItem Name=\"Rule\" Value=\"1\"/></t:Source><t:Data><t:SimpleItem Name=\"IsMotion\" Value=\"true\"/></t:Data></t:Message></w:Message></w:NotificationMessage>";
    let envelope = |body: &str| {
        format!("<s:Envelope xmlns:s=\"s\" xmlns:w=\"w\" xmlns:t=\"t\"><s:Body>{body}</s:Body></s:Envelope>").into_bytes()
    };
    vec![
        envelope(&notice.repeat(3)),
        envelope(
            "<t:SubscriptionReference><w:Address>http://h/s</w:Address><w:ReferenceParameters><t:Id>1</t:Id></w:ReferenceParameters></t:SubscriptionReference>",
        ),
        envelope(
            "<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code><s:Reason><s:Text>no</s:Text></s:Reason></s:Fault>",
        ),
        envelope(
            "<t:UTCDateTime><t:Time><t:Hour>1</t:Hour><t:Minute>2</t:Minute><t:Second>3</t:Second></t:Time><t:Date><t:Year>2026</t:Year><t:Month>1</t:Month><t:Day>2</t:Day></t:Date></t:UTCDateTime>",
        ),
        envelope(
            "<t:Service><t:Namespace>http://www.onvif.org/ver10/events/wsdl</t:Namespace><t:XAddr>http://h/e</t:XAddr></t:Service>",
        ),
        envelope(
            "<t:Profiles token=\"a\"><t:Name>m</t:Name><t:VideoSource token=\"v\"><t:SourceToken>s</t:SourceToken></t:VideoSource><t:VideoEncoder token=\"e\" GovLength=\"50\"><t:Encoding>H264</t:Encoding><t:Resolution><t:Width>1920</t:Width><t:Height>1080</t:Height></t:Resolution><t:FrameRateLimit>25</t:FrameRateLimit></t:VideoEncoder></t:Profiles><t:Uri>rtsp://h:554/a?b=1&amp;c</t:Uri>",
        ),
        envelope(
            "<w:ProbeMatch><w:EndpointReference>urn:uuid:1</w:EndpointReference><w:Types>d:NetworkVideoTransmitter</w:Types><w:Scopes>onvif://www.onvif.org/name/A%20b</w:Scopes><w:XAddrs>http://192.0.2.1/o https://[fe80::1]/o</w:XAddrs></w:ProbeMatch>",
        ),
    ]
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Now {
        Now { wall: "2026-07-01T03:00:00Z".parse().expect("a time"), mono_ms: 1 }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The topic is the first line, the payload the rest.
fn decode(topic: &str, payload: &[u8]) {
    let message = Message { topic, payload, retained: payload.len() % 2 == 1, via: "fuzz" };
    let observations = codecs().decode(&message, Still.now());
    assert!(!observations.is_empty(), "a message without an answer is never acknowledged");
    for observation in observations {
        // Who replies or orders may be anybody, also nobody.
        let named = !matches!(observation.body, Body::Reply(_) | Body::Posture(_));
        let source = observation.source.as_str();
        assert!(!named || (1..=128).contains(&source.chars().count()), "{source:?}");
        match observation.body {
            Body::Unreadable(unreadable) => {
                assert!(unreadable.payload.len() <= QUARANTINE_BYTES_MAX);
                assert!(!unreadable.reason.is_empty());
            }
            Body::Press(press) => {
                assert!(press.battery.is_none_or(|percent| percent <= 100));
                assert!(press.id.is_none_or(|id| id.chars().count() <= 128));
                assert!(press.doubts.len() <= 8, "{:?}", press.doubts);
                if let PressForm::Unreadable { text, .. } = press.form {
                    assert!(text.chars().all(|c| !c.is_control()), "{text:?}");
                }
            }
            Body::Device(report) => {
                assert!(report.battery.is_none_or(|percent| percent <= 100));
                assert!(report.link.is_none_or(|percent| percent <= 100));
                assert!(report.silent_after_s.is_none_or(|seconds| seconds > 0));
                assert!(report.unknown.len() <= 8, "{:?}", report.unknown);
            }
            Body::Gauge(report) => {
                assert!(report.battery.is_none_or(|percent| percent <= 100));
                for reading in report.readings {
                    let far = reading.at.duration_since(Still.now().wall).abs();
                    assert!(far <= READINGS_KEPT, "dated {}", reading.at);
                    assert!(!matches!(
                        reading.measure,
                        Measure::TotalUm(..0) | Measure::Fallen { um: ..0, .. }
                    ));
                }
            }
            Body::Reply(_) | Body::Pose(_) | Body::Posture(_) => {}
            other => panic!("a message became {other:?}"),
        }
    }
}

/// A site with a device of every dialect.
fn codecs() -> &'static Codecs {
    static CODECS: std::sync::OnceLock<Codecs> = std::sync::OnceLock::new();
    CODECS.get_or_init(|| {
        let listed = |id: &str, model: &str| Listed {
            id: id.into(),
            device: None,
            user: None,
            model: Some(model.into()),
        };
        let mapping = ModelConfig {
            id: "acme".into(),
            topic: Some("factory/+/up".into()),
            action: Some("/data/type".into()),
            press: vec!["1".into()],
            at: Some("/ts".into()),
            battery: Some("/bat".into()),
            tamper: Some("/open".into()),
            link: Some("/rssi".into()),
            ..ModelConfig::default()
        };
        Codecs::new(
            &"fuzz".into(),
            &[
                listed("24e124535b123456", "ws101"),
                listed("a8404111", "pb01"),
                listed("b1", "hs1eb"),
            ],
            &[mapping],
        )
    })
}

fn press(bytes: &[u8]) {
    let split = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    decode(&text(&bytes[..split]), &bytes[split..]);
}

fn presses() -> Vec<Vec<u8>> {
    [
        r#"gridpost/fuzz/button/b9
{"event":"press"}"#,
        "gridpost/fuzz/button/b9
\u{feff}{\"event\":[\"press\",{\"a\":\"b\"}],\"event\":1.0,\"battery\":NaN,\"link\":087,\"at\":\"1782874800\",}\0",
        "gridpost/fuzz/button/b9
press",
        "zigbee2mqtt/b1/action
emergency",
        r#"other/b1
{"sos":"true","linkquality":"131","action":["single"],"last_seen":1782874800.5}"#,
        r#"stat/b1/BUTTON1
{"ACTION":"SINGLE"}"#,
        r#"b1/tele/SENSOR
{"Switch1":"ON","POWER":"ON","Wifi":{"RSSI":"60"}}"#,
        r#"shellies/shellybutton1-1/input_event/0
{"event":"S","event_cnt":3.0}"#,
        r#"b1/events/rpc
{"method":"NotifyEvent","params":{"events":[{"component":"input:0","event":"single_push","ts":1782874800.5}]}}"#,
        r#"v3/a@t/devices/24e124535b123456/up
{"end_device_ids":{"dev_eui":"24E124535B123456"},"received_at":"2026-07-01T03:00:00Z","uplink_message":{"session_key_id":"k","f_cnt":7,"f_port":85.0,"frm_payload":"AXUQ/y4B","rx_metadata":[{"snr":7.5}]}}"#,
        r#"application/1/device/24e124535b123456/rx
{"fCnt":42.0,"fPort":85,"objectJSON":"{\"button_event\":{\"status\":\"short press\"}}","rxInfo":[{"loRaSNR":-5,"time":"2026-07-01T02:59:58Z"}]}"#,
        r#"x
{"device":"btn-0686","event":"press","id":"7","at":"2026-07-01T10:59:58+08:00","battery":87}"#,
        r#"x
{"device":7,"event":"press","id":1e300,"at":"-009999-01-02T01:59:59Z","battery":-1}"#,
        r#"
{"device":"","event":"press","id":"\ud83d\ude00","at":"9999-12-31T23:59:59.999999999Z[Asia/Shanghai]"}"#,
        r#"x
{"device":"b","event":"heartbeat","battery":87.5,"link":"40%","tamper":"TRUE","silent_after_s":90000}"#,
        r#"zigbee2mqtt/b1
{"action":"emergency","battery":100,"linkquality":131,"last_seen":1782874800123,"sos":true,"tamper":false,"battery_low":false}"#,
        r#"zigbee2mqtt/b1/availability
{"state":"offline"}"#,
        r#"application/1/device/24e124535b123456/event/up
{"deduplicationId":"3ac7e3c4","time":"2022-07-18T09:34:15.775023242+00:00","deviceInfo":{"deviceProfileName":"ws101","tags":{"model":"ws101"}},"fPort":85,"data":"AXUQ/y4B","rxInfo":[{"snr":10.5}]}"#,
        r#"application/1/device/a8404111/event/up
{"fPort":2,"data":"C7gDAQD7AfY=","object":{"Alarm":"TRUE","button_event":{"status":"long press"},"battery":7}}"#,
        r#"application/1/device/a8404111/event/status
{"margin":10,"batteryLevel":88.3}"#,
        r#"stat/d/RESULT
{"Button1":{"Action":"SINGLE"},"Wifi":{"RSSI":40}}"#,
        r#"n/binary_sensor/sos/state
ON"#,
        r#"factory/x/up
{"data":{"type":1},"ts":1782874800,"bat":"55%","open":1,"rssi":70}"#,
    ]
    .map(|seed| seed.as_bytes().to_vec())
    .into()
}

/// As [`press`]: topic, then payload.
fn gauges() -> Vec<Vec<u8>> {
    [
        r#"gridpost/fuzz/gauge/g1
{"tips":17,"total_mm":12.4,"mm":0.5,"period_s":300,"mm_h":6,"level_m":-2.5,"battery":90,"at":"2026-07-01T10:59:58+08:00","id":"1"}"#,
        r#"application/1/device/24e1/event/up
{"deduplicationId":"3ac7","time":"2026-07-01T02:59:58Z","deviceInfo":{"devEui":"24E1"},"fPort":85,"data":"BYS6BAZzTycIdXsAAQ==","object":{"rainfall_total":1.23,"rainfall_counter":1,"depth":2,"battery":97}}"#,
        r#"application/1/device/24e1/event/up
{"deviceInfo":{"devEui":"24E1"},"fPort":85,"data":"CHd7AAEDdwIAAXVk"}"#,
        r#"application/1/device/24e1/event/up
{"deviceInfo":{"devEui":"24E1"},"object":{"messages":[[{"measurementValue":12.4,"measurementId":"4113"}],[{"Battery(%)":84}]]}}"#,
        r#"rtl_433/box/events
{"time":"2024-02-05 14:27:39","model":"Fineoffset-WH24","id":220,"battery_ok":0,"rain_mm":1086.90002}"#,
        r#"application/1/device/24e1/event/up
{"deviceInfo":{"devEui":"24E1"},"fPort":2,"objectJSON":"{\"BatV\":3.3,\"rain\":42.0}"}"#,
        r#"gridpost/fuzz/gauge/g1
{"tips":"17.0","total_mm":null,"mm_h":"N/A","level_m":9999.999,"at":1782864000}"#,
        r#"gridpost/fuzz/posture
{"posture":"flood","to":"on","by":"x","until":"2026-07-02T00:00:00Z"}"#,
    ]
    .map(|seed| seed.as_bytes().to_vec())
    .into()
}

/// All that one station ever said.
fn sl651_bytes(bytes: &[u8]) {
    for observation in sl651::recorded(bytes, Still.now()) {
        match observation.body {
            Body::Unreadable(unreadable) => {
                assert!(!unreadable.reason.is_empty());
                assert!(!unreadable.payload.is_empty() && unreadable.payload.len() <= bytes.len());
            }
            Body::Gauge(report) => {
                for reading in report.readings {
                    let far = reading.at.duration_since(Still.now().wall).abs();
                    // An hour's slots reach back behind the time of the first.
                    assert!(far <= READINGS_KEPT + jiff::SignedDuration::from_hours(1));
                }
            }
            other => panic!("a station said {other:?}"),
        }
    }
}

fn frames() -> Vec<Vec<u8>> {
    [
        "7E7E010012345678123430002B020003591011154947F1F1001234567848F0F0591011154920190000052619000005392300000127381211150320FA",
        "7E7E05001122334403E831004E020031170718110005F1F1001122334448F0F01707181005041800000539230000012200000122000002850001049000010490FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF0001049000010490037AC7",
        "7E7E05001122334403E8340068020033170718110014F1F1001122334448F0F01707181005F4600500000014FFFFFFFFFF0000F0F017071811002619000040F0F01707181005F5C0000C000C001C00310031FFFFFFFFFFFFFFFFFFFF00310031F0F0170718110039230001049020190000403812109903F502",
        // A status and no probe; two stations; a series; behind a modem's greeting.
        "7E7E0100123456781234320031020001260701110000F1F1001234567850F0F02607011100201900005026190010504520000000C039230999999938121210035C9F",
        "7E7E0100123456781234320030020001260701110000F1F1001234567850F0F026070111002619000100F1F1001234569950F0F0260701110026190001200330FC",
        "5245473A38367E7E0100123456781234310042020001260701110000F1F1001234567850F0F0260701100504180000052219000050000050000050000050000050000050000050000050000050000050000050000050039D86",
        "013031353031303132333435363030303033323030334502303030313236303930393038303030305354203530313031323334353620482054542032363039303930383030205A20362E33382056542031322E3530200336454241",
    ]
    .map(|hex| {
        (0..hex.len() / 2)
            .map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).expect("hex"))
            .collect()
    })
    .into()
}

fn reply(bytes: &[u8]) {
    decode("gridpost/fuzz/reply", bytes);
}

fn replies() -> Vec<Vec<u8>> {
    [
        r#"{"incident":"01900000-0000-7000-8000-000000000000","to":"closed","by":"李建国","id":"r1"}"#,
        r#"{"incident":"01900000-0000-7000-8000-000000000000","to":"reopened","by":"x","note":"误报"}"#,
    ]
    .map(|seed| seed.as_bytes().to_vec())
    .into()
}

fn scratch(name: &str) -> PathBuf {
    // Memory where there is some: a sync costs nothing there.
    let shm = Path::new("/dev/shm");
    let base = if shm.is_dir() { shm.to_path_buf() } else { std::env::temp_dir() };
    base.join(format!("gridpost-fuzz-{name}-{}", std::process::id()))
}

fn journal_bytes(bytes: &[u8]) {
    fuzzing::walk(bytes);
    let folder = scratch("bytes");
    fuzzing::recover_folder(&folder, bytes);
    let _ = std::fs::remove_dir_all(folder);
}

/// One payload a line, its kind in front; framed and summed as if it had been written so.
fn lines(bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| line.split_first());
    lines.map(|(kind, payload)| (kind.wrapping_sub(b'a' - 1), payload)).collect()
}

fn journal_records(bytes: &[u8]) {
    let segment = fuzzing::segment(1, &lines(bytes));
    let folder = scratch("records");
    fuzzing::recover_folder(&folder, &segment);
    let _ = std::fs::remove_dir_all(folder);
}

fn journals() -> Vec<Vec<u8>> {
    let whole = fuzzing::segment(1, &lines(&records()[0]));
    let torn = whole[..whole.len() - 9].to_vec();
    // The same records a second time: their seqs do not rise.
    let again = [&whole[..], &whole[68..]].concat();
    vec![whole, torn, again, fuzzing::segment(7, &[(1, b"{}")]), Vec::new()]
}

/// `a` is kind 1 (press) … `g` kind 7 (quarantine), `p` kind 16 (standing) … `s` kind 19 (gone).
fn records() -> Vec<Vec<u8>> {
    let record = r#"{"what":"opened","incident":{"id":"01900000-0000-7000-8000-000000000001","revision":1,"stage":"opened","active":true,"kind":"intrusion","severity":3,"title":{"zh":"一","en":"one"},"began_at":"2026-07-01T04:00:00Z","opened_at":"2026-07-01T04:00:00Z","changed_at":"2026-07-01T04:00:00Z","sources":[{"id":"c","kind":"camera","name":"c"}],"objects":[{"label":"person","count":1,"score_max":0.5}],"evidence":[{"id":"01900000-0000-7000-8000-000000000002","media_type":"image/jpeg","sha256":"00","bytes":1}],"clock":{"gateway":"2026-07-01T04:00:00Z","error_ms":0},"why":"w","key":"k"}}"#;
    let emergency = record
        .replace("\"severity\":3", "\"severity\":1")
        .replace("\"revision\":1", "\"revision\":2");
    let change = format!("b{{\"entry\":\"change\",{}", &record[1..]);
    let all = [
        r#"p{"occasion":"opened","sinks":["grid","file"],"ledger":{"accepted":{},"sinks":{}}}"#.to_owned(),
        r#"a{"entry":"press","source":"b","stamp":{"at":"2026-07-01T04:00:00Z","device":null,"gateway":"2026-07-01T04:00:00Z","mono_ms":1,"error_ms":0},"press":{"id":"1","at":null,"battery":87,"retained":false,"via":"intake"},"stale":false,"incident":null}"#.into(),
        change.clone(),
        format!("b{{\"entry\":\"change\",{}", &emergency[1..]),
        r#"d{"sink":"grid","change":3,"outcome":"delivered","at":"2026-07-01T04:00:00Z","kind":"intrusion"}"#.into(),
        r#"d{"sink":"file","change":4,"outcome":{"dead":{"answer":"422"}},"at":"2026-07-01T04:00:00Z","kind":"intrusion"}"#.into(),
        r#"c{"entry":"reply","reply":{"incident":"01900000-0000-7000-8000-000000000001","to":"accepted","by":"x","id":"r"},"at":"2026-07-01T04:00:00Z"}"#.into(),
        r#"f{"entry":"look","evidence":"01900000-0000-7000-8000-000000000002","by":"api","at":"2026-07-01T04:00:00Z"}"#.into(),
        r#"g{"entry":"quarantine","origin":"o","reason":"r","text":"t","hex":"00","at":"2026-07-01T04:00:00Z"}"#.into(),
        r#"p{"occasion":"segment","sinks":["grid"],"ledger":{"accepted":{"intrusion":2},"sinks":{"grid":{"intrusion":{"accepted":2,"delivered":1,"pending":1,"dead":0,"shed":0,"lost":0}}}}}"#.into(),
        format!("q{{\"carried\":\"change\",\"seq\":3,\"owed\":[\"grid\"],\"top\":\"notice\",\"first\":3,\"record\":{record}}}"),
        r#"q{"carried":"reply","seq":7,"incident":"01900000-0000-7000-8000-000000000001","id":"r"}"#.into(),
        r#"r{"through":0}"#.into(),
        r#"s{"evidence":"01900000-0000-7000-8000-000000000002","reason":"age"}"#.into(),
    ];
    vec![all.join("\n").into_bytes(), format!("{}\n{change}\n{}", all[0], all[4]).into_bytes()]
}

fn config_text(bytes: &[u8]) {
    let text = text(bytes);
    // What it names is looked for on this disk: only below a folder that is not there.
    let environment = FixedEnvironment::new([("NAME", "/nowhere/value"), ("OTHER", "")]);
    let (config, problems) = config::parse("/nowhere/fuzz.toml", &text, &environment);
    let wrong = problems.iter().any(|problem| !problem.warning);
    assert_eq!(config.is_none(), wrong, "a configuration is refused without a word");
    let lines = text.lines().count().max(1);
    for problem in problems {
        assert!(!problem.to_string().is_empty());
        let here = problem.file.ends_with("fuzz.toml");
        assert!(!here || problem.line <= lines + 1, "line {} of {lines}", problem.line);
    }
}

fn configs() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The guided fuzzer's package lies below this one.
    let config = folder.ancestors().map(|up| up.join("config")).find(|config| config.is_dir());
    let files =
        config.into_iter().flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten());
    let files = files.filter_map(|file| Some(file.ok()?.path()));
    let mut seeds: Vec<Vec<u8>> = files
        .filter(|path| path.extension().is_some_and(|ext| ext == "toml"))
        .filter_map(|path| std::fs::read(path).ok())
        .collect();
    seeds.sort();
    seeds.push(b"[site]\nid = \"x\"\nplace = [113.9, 30.9]\n[[camera]]\nid = \"c\"\nurl = \"rtsp://u:${NAME}@h/1\"\nmask = [[[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]]\n[[rule]]\nid = \"r\"\nkind = \"intrusion\"\nzone = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]\nschedule = \"22:00-06:00\"\n[[sink]]\nid = \"s\"\nkind = \"http\"\nurl = \"http://h\"\n[[button]]\nid = \"b\"\n".to_vec());
    seeds
}

fn grids(bytes: &[u8]) {
    let datums = [Datum::Wgs84, Datum::Cgcs2000, Datum::Gcj02, Datum::Bd09];
    let datum = datums[bytes.len() % datums.len()];
    let ReadGrids { grids, errors, .. } = Grids::parse(&text(bytes), datum);
    assert!(!grids.is_empty() || !errors.is_empty(), "nothing, and not a word about it");
    for (lon, lat) in [(0.0, 0.0), (1.5, 1.5), (113.9, 30.9), (-180.0, 90.0)] {
        let place = Place { lon, lat, text: None };
        let (found, answers) = (grids.at(&place), grids.answering(&place));
        assert!(found.is_none_or(|grid| grids.by_code(&grid.code).is_some()));
        assert_eq!(answers.is_none(), grids.is_empty(), "somebody answers, wherever it is");
    }
}

fn geojson() -> Vec<Vec<u8>> {
    vec![
        br#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"code":"G1","name":"x","head":"y"},"geometry":{"type":"Polygon","coordinates":[[[0,0],[2,0],[2,2],[0,2],[0,0]],[[0.5,0.5],[1,0.5],[1,1],[0.5,0.5]]]}}]}"#.to_vec(),
        br#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"code":1,"name":"x"},"geometry":{"type":"MultiPolygon","coordinates":[[[[0,0],[2,0],[2,2],[0,0]]],[]]}},{"type":"Feature","properties":null,"geometry":{"type":"Point","coordinates":[1,2,3]}}]}"#.to_vec(),
    ]
}

fn buttons(bytes: &[u8]) {
    let (good, bad) = config::fuzz_buttons(bytes);
    // An empty list is told too.
    assert!(good + bad <= bytes.len().max(1));
}

fn csv() -> Vec<Vec<u8>> {
    [
        "\u{feff}id,name,lon,lat,grid,contact,note\nb1,张,113.9,30.9,,x,\nb2,\"a\"\"b\n\",1e400,-0,,,\n",
        "id\r\nb1\r\n\r\nb1\r\n",
        "ID;Name;nmae;lon\r\nb1;张;;113,9\r\n;;;\r\nb2\r\n",
    ]
    .map(|seed| seed.as_bytes().to_vec())
    .into_iter()
    .chain([b"id,name\r\nb1,\xd5\xc5\r\n".to_vec(), b"\xff\xfei\0d\0\r\0\n\0b\0".to_vec()])
    .collect()
}

fn signals(bytes: &[u8]) {
    let recorded = Recorded::parse(&text(bytes));
    let times: Vec<_> = recorded.messages.iter().map(|signal| signal.at()).collect();
    assert!(times.is_sorted(), "signals are played in the order of their time");
    for signal in &recorded.messages {
        let _ = signal.observations(codecs(), Still.now());
    }
}

fn jsonl() -> Vec<Vec<u8>> {
    vec![
        br#"{"at":"2026-07-01T10:00:02+08:00","via":"mqtt","topic":"b","payload":{"event":"press"},"retained":true}
{"at":"2026-07-01T10:00:01+08:00","via":"tcp","listener":"sl651","hex":"7e 7E"}
{"at":"2026-07-01T10:00:01+08:00","via":"mqtt","topic":"gridpost/fuzz/reply","payload":"{}"}"#
            .to_vec(),
    ]
}

fn range(bytes: &[u8]) {
    let Some((size, header)) = bytes.split_first_chunk::<8>() else { return };
    let size = u64::from_le_bytes(*size);
    if let Some((start, end)) = console::fuzz_range(&text(header), size) {
        assert!(start < end && end <= size, "{start}..{end} of {size}");
    }
}

fn ranges() -> Vec<Vec<u8>> {
    let header = |size: u64, range: &str| [&size.to_le_bytes()[..], range.as_bytes()].concat();
    vec![
        header(100, "bytes=0-"),
        header(u64::MAX, "bytes=18446744073709551614-18446744073709551615"),
        header(0, "bytes=-0"),
        header(5, "bytes= 1 - 3 "),
    ]
}

fn users(bytes: &[u8]) {
    let text = text(bytes);
    match intake::fuzz_users(&text) {
        Ok(count) => assert!(count <= text.lines().count()),
        Err(reason) => assert!(reason.starts_with("users:"), "{reason}"),
    }
}

fn user_files() -> Vec<Vec<u8>> {
    ["# who\nname:password\n\nother:pass:word\n", "name\n", ":x\n"]
        .map(|seed| seed.as_bytes().to_vec())
        .into()
}
