//! What a district counts: random lives counted twice, and the table as JSON, CSV, spreadsheet and command.

use std::{collections::BTreeMap, fs, io::Cursor, path::Path, sync::Arc};

use calamine::{Data, Reader, Xlsx};
use gridpost::{
    domain::{
        Answer, Body, Entry, EventContext, Fault, IdMint, IncidentId, Kind, NoMeter, Now,
        Observation, Press, Record, Reply, ReplyTo, Stamp,
    },
    figures::{FiguresQuery, figures},
    incident::{Desk, Directory, Effects},
    store::{self, Batch, Config, Store},
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

use crate::world::{
    Gateway, Receiver, Site, http, must_agree, recount, recount_in_time, seed, store_must_be_sound,
};

const STEPS: [ReplyTo; 18] = [
    ReplyTo::Accepted,
    ReplyTo::Dispatched,
    ReplyTo::Handled,
    ReplyTo::Verified,
    ReplyTo::Closed,
    ReplyTo::Dismissed,
    ReplyTo::Reopened,
    ReplyTo::SelfHandled,
    ReplyTo::Merged,
    ReplyTo::Transferred,
    ReplyTo::SentBack,
    ReplyTo::AskExtend,
    ReplyTo::AskSuspend,
    ReplyTo::AskGiveBack,
    ReplyTo::AskWithdraw,
    ReplyTo::Granted,
    ReplyTo::Refused,
    ReplyTo::Resumed,
];

/// A desk and its store, and every event as a receiver would get it.
struct Lives {
    now: Now,
    desk: Desk,
    store: Store,
    config: Config,
    starts: u8,
    context: EventContext,
    events: Vec<Value>,
    latest: BTreeMap<IncidentId, Record>,
}

impl Lives {
    fn new(folder: &Path) -> Self {
        // Segments that leave all the time: most of what is counted is in the figures' own files.
        let config = Config {
            min_free_bytes: 0,
            segment_bytes: 64 << 10,
            max_bytes: 256 << 10,
            ..Config::at(folder)
        };
        let context = EventContext {
            site: "site".into(),
            timezone: TimeZone::get("Asia/Shanghai").unwrap(),
            public_url: None,
        };
        let mut lives = Self {
            now: Now { wall: "2026-07-01T03:00:00Z".parse().unwrap(), mono_ms: 1_000 },
            desk: Self::desk(0),
            store: store::open(&config, &[], Arc::new(NoMeter)).unwrap().store,
            config,
            starts: 0,
            context,
            events: Vec::new(),
            latest: BTreeMap::new(),
        };
        lives.tick();
        lives
    }

    fn desk(starts: u8) -> Desk {
        let directory = Directory { auto_close_after_s: 7_200, ..Directory::default() };
        Desk::new(directory, IdMint::new([starts; 32]))
    }

    fn say(&mut self, source: &str, body: Body) -> Effects {
        if let Body::Reply(reply) = &body
            && !self.desk.knows(reply.incident)
            && let Some(record) = self.store.recall(reply.incident)
        {
            self.desk.recall(self.now, record);
        }
        let stamp = Stamp::of_gateway(self.now);
        let observation = Observation { source: source.into(), stamp, body };
        let effects = self.desk.apply(self.now, &observation, Vec::new());
        self.keep(&effects);
        effects
    }

    fn tick(&mut self) {
        let effects = self.desk.tick(self.now, Vec::new());
        self.keep(&effects);
    }

    fn keep(&mut self, effects: &Effects) {
        for entry in &effects.entries {
            if let Entry::Change(record) = entry {
                self.events.push(json!(self.context.event(record)));
                self.latest.insert(record.incident.id, Record::clone(record));
            }
        }
        let entries = effects.entries.clone();
        self.store.commit_blocking(Batch { entries, receipts: Vec::new() }).unwrap();
    }

    /// In good order, or as a power cut leaves it: the journal has what was synced.
    fn restart(&mut self) {
        self.store.close_blocking().unwrap();
        let opened = store::open(&self.config, &[], Arc::new(NoMeter)).unwrap();
        self.store = opened.store;
        self.now.mono_ms = 1_000;
        self.starts += 1;
        self.desk = Self::desk(self.starts);
        let restored = opened.restored;
        let effects =
            self.desk.restore(self.now, restored.live, &restored.presses, restored.replies);
        self.keep(&effects);
    }

    fn open(&mut self, random: &mut StdRng, n: usize) -> IncidentId {
        let body = if random.random_bool(0.4) {
            let press = Press { id: Some(n.to_string()), via: "intake".into(), ..Press::default() };
            Body::Press(press)
        } else {
            let kind = *[Kind::CameraBlind, Kind::CameraMoved].choose(random).unwrap();
            Body::Fault(Fault { kind, broken: true, text: "it is".into() })
        };
        let before: Vec<IncidentId> = self.latest.keys().copied().collect();
        self.say(&format!("source-{n}"), body);
        self.now.mono_ms += 2_000;
        self.tick();
        *self.latest.keys().find(|id| !before.contains(id)).expect("a new incident")
    }

    fn reply(&self, random: &mut StdRng, id: IncidentId) -> Reply {
        let life = &self.latest[&id].incident.life;
        let to = match (&life.asked, &life.suspended) {
            (Some(_), _) if random.random_bool(0.5) => ReplyTo::Granted,
            (_, Some(_)) if random.random_bool(0.4) => ReplyTo::Resumed,
            _ => *STEPS.choose(random).unwrap(),
        };
        let mut reply = Reply::new(id, to, ["甲", "乙", "丙"].choose(random).unwrap());
        reply.id = random.random_bool(0.6).then(|| random.random::<u32>().to_string());
        let department = *["城管", "交警", "水务", "=1+1"].choose(random).unwrap();
        reply.department = random.random_bool(0.7).then(|| department.into());
        let hours = SignedDuration::from_hours(random.random_range(1..200));
        reply.until = Some(self.now.wall + hours);
        let known: Vec<IncidentId> = self.latest.keys().copied().collect();
        reply.into = Some(*known.choose(random).unwrap());
        reply
    }
}

fn counted_twice(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let mut lives = Lives::new(folder.path());
    let mut ids = Vec::new();
    let mut sent: Vec<Reply> = Vec::new();
    for n in 0..900 {
        lives.now.mono_ms += random.random_range(0..600_000);
        let minutes = if random.random_bool(0.03) { -600..600 } else { 0..60 };
        lives.now.wall += SignedDuration::from_mins(random.random_range(minutes));
        match random.random_range(0..40) {
            0 => lives.restart(),
            1 | 2 => lives.tick(),
            3 => drop(lives.store.keep_case_lines().unwrap()),
            4..8 => ids.push(lives.open(&mut random, n)),
            8..10 if !sent.is_empty() => {
                let again = sent.choose(&mut random).unwrap().clone();
                lives.say("grid", Body::Reply(again));
            }
            _ if !ids.is_empty() => {
                let id = *ids.choose(&mut random).unwrap();
                let reply = lives.reply(&mut random, id);
                let effects = lives.say("grid", Body::Reply(reply.clone()));
                assert!(!matches!(effects.answer, Answer::Lost), "{effects:?}");
                sent.push(reply);
            }
            _ => {}
        }
    }
    let left_out = |record: &&Record| record.incident.life.steps_left_out > 0;
    assert_eq!(lives.latest.values().filter(left_out).count(), 0, "more than can be counted");
    let zone = lives.context.timezone.clone();
    let now = lives.now.wall;
    let pairs = [("from", "2026-06-01"), ("until", "2027-06-01"), ("by", "day")];
    let query = FiguresQuery::parse(pairs, now.to_zoned(zone.clone()).date()).unwrap();
    let (from, until) = query.times(&zone).unwrap();
    let table =
        |lives: &Lives| json!(figures(&lives.store.case_lines(from, until), &query, &zone, now));
    let before = table(&lives);
    must_agree(&before["total"], &recount(&lives.events, now));
    let mut all = 0;
    for row in before["rows"].as_array().unwrap() {
        let day = row["period"].as_str().unwrap();
        let of_day = |event: &&Value| event["data"]["opened_at"].as_str().unwrap().starts_with(day);
        let events: Vec<Value> = lives.events.iter().filter(of_day).cloned().collect();
        must_agree(row, &recount(&events, now));
        all += row["reported"].as_u64().unwrap();
    }
    assert_eq!(all, lives.latest.len() as u64, "each on one day");
    // The same again after a start without the index.
    lives.store.close_blocking().unwrap();
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    lives.store = store::open(&lives.config, &[], Arc::new(NoMeter)).unwrap().store;
    assert_eq!(table(&lives), before);
    lives.store.close_blocking().unwrap();
    assert!(!folder.path().join("journal/00000001.log").exists(), "nothing has left the journal");
    assert!(lives.latest.len() > 30, "{} cases", lives.latest.len());
    store_must_be_sound(folder.path());
}

#[test]
fn l4_lives_at_random_counted_from_what_the_receiver_got_are_the_table() {
    let first = seed();
    println!("GRIDPOST_SEED={first}");
    (0..4).for_each(|n| counted_twice(first.wrapping_add(n)));
}

fn site(receiver: &Receiver) -> Site {
    Site::demo()
        .set("timezone", "Asia/Shanghai")
        .set("grids", crate::world::grids())
        .button("btn-1")
        .set("name", "张秀英")
        .set("place", [113.9128, 30.9221])
        .button("btn-2")
        .http(receiver)
}

async fn life(gateway: &Gateway, id: &str, steps: &[(&str, &str, Value)]) {
    for (to, by, more) in steps {
        let mut body = json!({"incident": id, "to": to, "by": by});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, told) = gateway.post("/api/v1/replies", &body).await;
        assert_eq!(status, 200, "{body}: {told}");
    }
}

async fn opened(gateway: &Gateway, receiver: &Receiver, button: &str) -> String {
    gateway.press(button, "p");
    let is_it = |data: &Value| data["what"] == "opened" && data["sources"][0]["id"] == button;
    let event = receiver.wait("the press", is_it).await;
    event["data"]["incident"].as_str().unwrap().to_owned()
}

async fn bytes(gateway: &Gateway, path: &str) -> Vec<u8> {
    let url = format!("{}{path}", gateway.web);
    let answer = http().get(url).bearer_auth(&gateway.token).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200, "{path}");
    answer.bytes().await.unwrap().into()
}

/// What no formula may become of.
const EVIL: &str = "=cmd|' /C calc'!A0";

async fn two_lives(gateway: &Gateway, receiver: &Receiver) {
    let first = opened(gateway, receiver, "btn-1").await;
    let steps = [
        ("accepted", "李建国", json!({})),
        ("dispatched", "李建国", json!({"department": EVIL})),
        ("ask-give-back", "赵强", json!({})),
        ("granted", "李建国", json!({})),
        ("dispatched", "李建国", json!({"department": "城管"})),
        ("handled", "王芳", json!({})),
        ("sent-back", "李建国", json!({})),
        ("handled", "王芳", json!({"id": "again"})),
        ("verified", "李建国", json!({})),
        ("closed", "李建国", json!({})),
    ];
    life(gateway, &first, &steps).await;
    let second = opened(gateway, receiver, "btn-2").await;
    let steps = [
        ("accepted", "李建国", json!({})),
        ("dispatched", "李建国", json!({"department": EVIL})),
        ("dismissed", "李建国", json!({"reason": "false-alarm"})),
    ];
    life(gateway, &second, &steps).await;
    receiver.wait("the last", |data| data["what"] == "dismissed").await;
    receiver.wait("the other", |data| data["what"] == "closed").await;
}

/// All cells of a sheet, as texts; no cell is a formula.
fn sheet(book: &mut Xlsx<Cursor<Vec<u8>>>, name: &str) -> Vec<Vec<Data>> {
    assert!(book.worksheet_formula(name).unwrap().is_empty(), "{name} has a formula");
    let range = book.worksheet_range(name).unwrap();
    range.rows().map(<[Data]>::to_vec).collect()
}

fn number(cell: &Data) -> Option<f64> {
    match cell {
        Data::Float(value) => Some(*value),
        Data::Int(value) => Some(*value as f64),
        _ => None,
    }
}

/// The column of this heading, in the row whose first cell is this.
fn cell<'s>(rows: &'s [Vec<Data>], row: &str, heading: &str) -> &'s Data {
    let is = |cell: &Data, text: &str| cell == &Data::String(text.into());
    let column = rows[0].iter().position(|cell| is(cell, heading));
    let column = column.unwrap_or_else(|| panic!("no {heading}: {:?}", rows[0]));
    let found = rows.iter().find(|cells| is(&cells[0], row));
    &found.unwrap_or_else(|| panic!("no {row}: {rows:?}"))[column]
}

/// The spreadsheet, read by another library, says what the API says.
async fn the_spreadsheet_agrees(gateway: &Gateway, file: Vec<u8>, query: &str) {
    let mut book = Xlsx::new(Cursor::new(file)).unwrap();
    let names =
        "总表 按日 按月 按网格 按社区 按乡镇 按类型 按来源 按部门 按类别 作废原因 设备失联 口径";
    assert_eq!(book.sheet_names().join(" "), names);
    let total = &gateway.get(&format!("/api/v1/figures?{query}")).await.1["total"];
    let summary = sheet(&mut book, "总表");
    let figures = [
        ("上报", "reported"),
        ("有效", "valid"),
        ("作废", "dismissed"),
        ("应结案", "due"),
        ("结案", "closed"),
        ("结案率", "closing_rate"),
        ("按期结案", "closed_in_time"),
        ("按期结案率", "in_time_rate"),
        ("派遣", "dispatched"),
        ("准确派遣率", "right_rate"),
        ("返工次数", "rework"),
        ("回退", "give_backs"),
        ("应受理", "accept/due"),
        ("按期受理", "accept/in_time"),
        ("按期受理率", "accept/in_time_rate"),
        ("应派遣", "dispatch/due"),
        ("按期处置", "handle/in_time"),
        ("按期核查率", "verify/in_time_rate"),
    ];
    let of = |counts: &Value, key: &str| counts.pointer(&format!("/{key}")).unwrap().as_f64();
    for (zh, key) in figures {
        assert_eq!(number(cell(&summary, zh, "合计")), of(total, key), "{zh}");
    }
    for (name, group) in
        [("按网格", "grid"), ("按类型", "kind"), ("按部门", "department"), ("按来源", "source")]
    {
        let rows = sheet(&mut book, name);
        let (_, told) = gateway.get(&format!("/api/v1/figures?{query}&group={group}")).await;
        let told = told["rows"].as_array().unwrap();
        assert_eq!(rows.len(), told.len() + 2, "{name}: a row each, heading and sum");
        for row in told {
            let id = row["group"]["id"].as_str().unwrap();
            for (zh, key) in figures {
                let found = rows.iter().find(|cells| match &cells[0] {
                    Data::String(text) => text == id,
                    other => id.is_empty() && *other == Data::Empty,
                });
                let column = rows[0].iter().position(|cell| *cell == Data::String(zh.into()));
                let found = number(&found.unwrap()[column.unwrap()]);
                assert_eq!(found, of(row, key), "{name} {id} {zh}");
            }
        }
    }
    assert_eq!(cell(&sheet(&mut book, "按部门"), EVIL, "部门"), &Data::String(EVIL.into()));
    let reasons = sheet(&mut book, "作废原因");
    assert_eq!(number(cell(&reasons, "false-alarm", "作废")), Some(1.0));
    assert_eq!(cell(&reasons, "false-alarm", "原因"), &Data::String("误报".into()));
}

async fn wrong_questions_are_answered_in_words(gateway: &Gateway) {
    for (path, status, part) in [
        ("/api/v1/figures?by=hour", 400, "by=hour: expected one of day, week, month, all"),
        ("/api/v1/figures?month=2026-1", 400, "expected a month such as 2026-11"),
        ("/api/v1/figures.csv?from=2026-01-01&until=2025-01-01", 400, "expected after"),
        ("/api/v1/figures.xlsx?by=day", 400, "by: the spreadsheet has a sheet for each"),
    ] {
        let (answer, body) = gateway.get(path).await;
        let error = body["error"].as_str().unwrap_or_default();
        assert!(answer == status && error.contains(part), "{path}: {answer} {body}");
    }
    let stranger = http().get(format!("{}/api/v1/figures", gateway.web)).send().await.unwrap();
    assert_eq!(stranger.status().as_u16(), 401);
}

fn without_time(mut table: Value) -> Value {
    table["as_of"] = Value::Null;
    table
}

#[tokio::test(flavor = "multi_thread")]
async fn the_months_table_is_the_same_as_json_csv_spreadsheet_and_command_and_without_its_journal()
{
    let receiver = Receiver::start().await;
    let mut gateway = Gateway::start(&site(&receiver)).await;
    two_lives(&gateway, &receiver).await;
    // From yesterday on: a day may end while this runs.
    let (_, first) = gateway.get("/api/v1/figures").await;
    let now: Timestamp = first["as_of"].as_str().unwrap().parse().unwrap();
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let today = now.to_zoned(zone).date();
    let (from, until) = (today.yesterday().unwrap(), today.tomorrow().unwrap().tomorrow().unwrap());
    let days = format!("from={from}&until={until}");
    let ask = |more: &str| format!("/api/v1/figures?{days}{more}");
    let (status, table) = gateway.get(&ask("")).await;
    assert_eq!(status, 200);
    let total = &table["total"];
    must_agree(total, &recount_in_time(&receiver.events(), now));
    let told = ["reported", "valid", "due", "closed", "closed_in_time", "give_backs", "rework"];
    let told = told.map(|key| total[key].as_u64().unwrap());
    assert_eq!(told, [2, 2, 1, 1, 1, 1, 1], "{total}");
    assert_eq!((&total["right_rate"], &total["self_handled"]), (&json!(0.5), &json!(0)));
    // Given back and sent back in time, and the second dismissed before it was due to be handled.
    let steps = ["accept", "dispatch", "handle", "verify"].map(|step| {
        let step = &total[step];
        (step["due"].as_u64().unwrap(), step["in_time"].as_u64().unwrap())
    });
    assert_eq!(steps, [(2, 2), (2, 2), (1, 1), (1, 1)], "{total}");
    let (_, grids) = gateway.get(&ask("&by=day&group=grid")).await;
    let named = grids["rows"].as_array().unwrap().iter().map(|row| &row["group"]["name"]);
    assert!(named.clone().any(|name| name == "桥北第一网格"), "{grids}");

    let csv = String::from_utf8(
        bytes(&gateway, &format!("/api/v1/figures.csv?{days}&group=department")).await,
    );
    let csv = csv.unwrap();
    assert!(csv.starts_with("\u{feff}部门编码,部门,上报,有效,作废"), "{csv}");
    assert!(csv.contains("\n城管,城管,1,1,0,0,1,1,100.00%,1,100.00%"), "{csv}");
    assert!(csv.contains(&format!("\n'{EVIL},'{EVIL},1,1,1,")), "{csv}");
    let book = bytes(&gateway, &format!("/api/v1/figures.xlsx?{days}")).await;
    the_spreadsheet_agrees(&gateway, book, &days).await;

    wrong_questions_are_answered_in_words(&gateway).await;
    // The command says the same while it runs, when it is stopped, and when its journal is gone.
    let (from, until) = (from.to_string(), until.to_string());
    let args = ["--from", &from, "--until", &until];
    let by_command = |gateway: &Gateway| {
        let said = gateway.command("figures", &[&args[..], &["--json"]].concat());
        without_time(serde_json::from_str(&said.stdout).unwrap())
    };
    let table = without_time(table);
    assert_eq!(by_command(&gateway), table);
    let shown = gateway.command("figures", &args);
    shown.must_say(0, ["按期结案率", "100.00%", "50.00%", "合计"]);
    let file = gateway.file("month.xlsx");
    gateway.command("figures", &[&args[..], &["--xlsx", &file]].concat()).must_say(0, [""]);
    the_spreadsheet_agrees(&gateway, fs::read(file).unwrap(), &days).await;
    gateway.command("figures", &["--month", "11"]).must_say(2, ["expected a month"]);
    gateway.must_stop_sound().await;
    assert_eq!(by_command(&gateway), table);
    for part in ["journal", "index"] {
        fs::remove_dir_all(gateway.data().join(part)).unwrap();
    }
    let folder = gateway.kill().await;
    let mut gateway = Gateway::start_in(folder, &site(&receiver), &[]).await;
    let (_, again) = gateway.get(&ask("")).await;
    assert_eq!(without_time(again), table);
    gateway.must_stop_sound().await;
}
