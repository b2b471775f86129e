//! Districts' platforms by the shipped profiles, end to end: one case of one, its life in step, whatever answers are lost.

use std::fs;

use serde_json::{Value, json};

use crate::world::{Gateway, Platform, Tongue, Trouble, http, wait_for};

const ALL: [Tongue; 3] = [Tongue::Docking, Tongue::Pinyin, Tongue::Chengguan];

/// A reply as this platform words it.
fn reply(tongue: Tongue, case: &str, id: &str, word: &str, by: &str) -> Value {
    match tongue {
        Tongue::Docking => {
            json!({"commandCode": case, "feedbackCode": id, "feedbackType": word, "feedbackPerson": by, "content": "收到"})
        }
        Tongue::Pinyin => {
            json!({"SJID": case, "SJLC_ID": id, "BLLB": word, "BLRY": by, "BLYJ": "收到"})
        }
        Tongue::Chengguan => {
            json!({"id": case, "stepId": id, "sts": word.parse::<i64>().unwrap(), "user": by, "note": "收到"})
        }
    }
}

/// Its words for accepted, dispatched and handled.
fn words(tongue: Tongue) -> [&'static str; 3] {
    match tongue {
        Tongue::Docking => ["受理", "派遣", "处置"],
        Tongue::Pinyin => ["1", "2", "3"],
        Tongue::Chengguan => ["4", "5", "6"],
    }
}

fn token(gateway: &Gateway) -> String {
    fs::read_to_string(gateway.data().join("platforms/district.token")).unwrap().trim().into()
}

/// Pushes with the platform's own token, in the header that its profile names.
async fn push(gateway: &Gateway, tongue: Tongue, body: &Value) -> (u16, Value) {
    let url = format!("{}/api/v1/platform/district", gateway.web);
    let body = match tongue {
        Tongue::Chengguan => json!({ "events": body }),
        _ => body.clone(),
    };
    let request = http().post(url).json(&body);
    let request = match tongue {
        Tongue::Chengguan => request.header("X-Token", token(gateway)),
        _ => request.bearer_auth(token(gateway)),
    };
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
}

/// The platform says this: it pushes, or is asked.
async fn says(gateway: &Gateway, platform: &Platform, tongue: Tongue, said: Value) {
    match tongue {
        Tongue::Pinyin => platform.says(said),
        _ => assert_eq!(push(gateway, tongue, &said).await.0, 200),
    }
}

/// As shipped, but asks each second.
fn quick(platform: &Platform, tongue: Tongue) -> (tempfile::TempDir, String) {
    match tongue {
        Tongue::Docking => platform.changed(&[]),
        Tongue::Pinyin => platform.changed(&[("every_s = 30", "every_s = 1")]),
        Tongue::Chengguan => platform.changed(&[("every_s = 60", "every_s = 1")]),
    }
}

/// Up with its fields, back with its steps, up again with its id, and no echo.
async fn goes_up_and_comes_back(tongue: Tongue) {
    let platform = Platform::start(tongue).await;
    let (_keep, profile) = quick(&platform, tongue);
    let mut gateway = Gateway::start(platform.site_with(&profile)).await;
    gateway.press("btn-1", "p1");
    let (incident, case) = platform.has(1).await[0].clone();
    let opened = platform.asked("")[0].clone();
    let text = opened.body.to_string();
    assert!(text.contains("0101") && text.contains("张秀英"), "{text}");

    let [accepted, dispatched, handled] = words(tongue);
    says(&gateway, &platform, tongue, reply(tongue, &case, "r-1", accepted, "李建国")).await;
    let data = gateway.stage_is(&incident, "accepted").await;
    assert_eq!(
        (&data["accepted_by"], &data["steps"][0]["note"]),
        (&json!("李建国"), &json!("收到"))
    );
    // One of ours in between goes up with the platform's own id.
    let step = json!({"incident": incident, "to": "dispatched", "by": "王芳", "department": "城管", "id": "x"});
    assert_eq!(gateway.post("/api/v1/replies", &step).await.0, 200);
    let told = platform.hears("", |body| body.to_string().contains("王芳")).await;
    assert!(told.body.to_string().contains(&case), "{told:?}");
    // The same once more, and what comes late, changes nothing, and is counted and kept.
    says(&gateway, &platform, tongue, reply(tongue, &case, "r-1b", dispatched, "赵强")).await;
    gateway.replies_are("refused", 1.0).await;
    says(&gateway, &platform, tongue, reply(tongue, &case, "r-2", handled, "赵强")).await;
    gateway.stage_is(&incident, "handled").await;
    says(&gateway, &platform, tongue, reply(tongue, &case, "r-3", accepted, "赵强")).await;
    gateway.replies_are("refused", 2.0).await;
    if tongue != Tongue::Pinyin {
        says(&gateway, &platform, tongue, reply(tongue, &case, "r-2", handled, "赵强")).await;
        gateway.replies_are("doubled", 1.0).await;
    }
    gateway.replies_are("taken", 2.0).await;
    let (_, ready) = gateway.get("/readyz").await;
    assert!(ready.to_string().contains("would be a step back"), "{ready}");
    // Nothing that the platform said itself was told to it again.
    gateway.metric_is("gridpost_sink_passed_total", |passed| passed >= 2.0).await;
    let echoes =
        platform.asked("").iter().filter(|asked| asked.body.to_string().contains("赵强")).count();
    assert_eq!(echoes, 0, "{:?}", platform.asked(""));
    assert_eq!(platform.cases().len(), 1);
    gateway.must_stop_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_the_docking_form_goes_up_comes_back_and_no_step_echoes() {
    goes_up_and_comes_back(Tongue::Docking).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_the_pinyin_form_goes_up_comes_back_and_no_step_echoes() {
    goes_up_and_comes_back(Tongue::Pinyin).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_the_city_management_form_goes_up_comes_back_and_no_step_echoes() {
    goes_up_and_comes_back(Tongue::Chengguan).await;
}

/// The platform has opened it, and we never heard: it is asked for by our id, over `kill -9` too.
#[tokio::test(flavor = "multi_thread")]
async fn s1_an_answer_that_was_lost_opens_no_second_case() {
    for tongue in ALL {
        let platform = Platform::start(tongue).await;
        platform.troubles(&[Trouble::Down, Trouble::ErrorWithin, Trouble::LoseAnswer]);
        let gateway = Gateway::start(platform.site()).await;
        gateway.press("btn-1", "p1");
        let (incident, case) = platform.has(1).await[0].clone();
        // In the middle of the request that never ends.
        let folder = gateway.kill().await;
        let mut gateway = Gateway::start_in(folder, platform.site(), &[]).await;
        gateway.metric_is("gridpost_pending_records", |pending| pending == 0.0).await;
        let step = json!({"incident": incident, "to": "accepted", "by": "王芳"});
        assert_eq!(gateway.post("/api/v1/replies", &step).await.0, 200);
        let told = platform.hears("", |body| body.to_string().contains("王芳")).await;
        assert!(told.body.to_string().contains(&case), "{tongue:?}: {told:?}");
        assert_eq!(platform.cases().len(), 1, "{tongue:?}: {:?}", platform.cases());
        gateway.must_stop_sound().await;
    }
}

/// Where the profile cannot ask, it is sent again under the same id, and that is said and counted.
#[tokio::test(flavor = "multi_thread")]
async fn s1_without_a_question_it_is_sent_again_under_the_same_id_and_said() {
    let platform = Platform::start(Tongue::Docking).await;
    let find = "[find]\npath = \"reportedIncident?incidentCode={{ incident }}\"\nid = \"/data/commandCode\"\nnone = [404, 1404]\n";
    let (_keep, profile) = platform.changed(&[(find, "")]);
    platform.troubles(&[Trouble::LoseAnswer]);
    let gateway = Gateway::start(platform.site_with(&profile)).await;
    gateway.press("btn-1", "p1");
    let cases = platform.has(2).await;
    assert_eq!(cases[0].0, cases[1].0, "under one id, by which the platform can know it");
    gateway.metric_is("gridpost_platform_sent_again_total", |again| again == 1.0).await;
    gateway.logs("sent again under the same id").await;
}

/// Down for a while, a press meanwhile, and one that it chokes on with an error in a 200: nothing is
/// lost or doubled, and what cannot succeed holds up nothing.
#[tokio::test(flavor = "multi_thread")]
async fn p3_s1_a_platform_that_is_down_or_errs_within_a_200_loses_and_doubles_nothing() {
    let platform = Platform::start(Tongue::Chengguan).await;
    platform.is_down(true);
    platform.chokes_on(Some("疯子"));
    let site =
        platform.site().button("mad").set("name", "疯子").button("btn-2").set("name", "李四");
    let mut gateway = Gateway::start(&site).await;
    gateway.press("mad", "1");
    gateway.press("btn-1", "1");
    gateway.readiness(503, "sink district: answered 503").await;
    platform.is_down(false);
    platform.has(1).await;
    gateway.press("btn-2", "1");
    platform.has(2).await;
    gateway.readiness(503, "/status error: 数据库异常").await;
    platform.chokes_on(None);
    assert!(gateway.store(&["retry", "--sink", "district"]).contains("1 will be sent again"));
    let cases = platform.has(3).await;
    gateway.metric_is("gridpost_pending_records", |pending| pending == 0.0).await;
    let ours: std::collections::BTreeSet<&String> = cases.iter().map(|(our, _)| our).collect();
    assert_eq!((ours.len(), platform.cases().len()), (3, 3), "{cases:?}");
    gateway.must_stop_sound().await;
}

/// Replies that nobody can take: each is on disk before the platform is answered, counted by sort.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_platform_says_that_cannot_be_taken_is_kept_counted_and_said() {
    let platform = Platform::start(Tongue::Docking).await;
    let gateway = Gateway::start(platform.site().button("btn-2")).await;
    gateway.press("btn-1", "p1");
    let (incident, case) = platform.has(1).await[0].clone();
    gateway.press("btn-2", "p1");
    let other = platform.has(2).await[1].clone();
    gateway.metric_is("gridpost_pending_records", |pending| pending == 0.0).await;
    let push = async |body: Value| push(&gateway, Tongue::Docking, &body).await;
    let of = |word: &str| reply(Tongue::Docking, &case, word, word, "李");
    let (status, answer) = push(of("归档")).await;
    assert_eq!((status, &answer["code"]), (200, &json!(1)));
    assert!(answer["msg"].as_str().unwrap().contains("stands in no dictionary"), "{answer}");
    gateway.replies_are("unreadable", 1.0).await;
    // Said again it is no news.
    push(of("归档")).await;
    gateway.replies_are("doubled", 1.0).await;
    let (_, answer) = push(reply(Tongue::Docking, "C-77", "e-1", "受理", "李")).await;
    assert!(answer["msg"].as_str().unwrap().contains("C-77"), "{answer}");
    gateway.replies_are("unknown-case", 1.0).await;
    let mut both = reply(Tongue::Docking, &case, "e-2", "受理", "李");
    both["incidentCode"] = json!(other.0);
    let (_, answer) = push(both).await;
    assert!(answer["msg"].as_str().unwrap().contains("contradicts itself"), "{answer}");
    push(of("催办")).await;
    gateway.replies_are("ignored", 1.0).await;
    let (_, answer) = push(json!([of("受理"), {"x": 1}, of("处置")])).await;
    assert_eq!(answer["code"], json!(1), "one of three: {answer}");
    gateway.stage_is(&incident, "handled").await;
    assert_eq!(push(json!(7)).await.0, 400);
    let quarantined = gateway.store(&["list", "--quarantine"]);
    for part in ["归档", "C-77", "contradicts itself", "names no case"] {
        assert!(quarantined.contains(part), "{part} not in {quarantined}");
    }
}

/// It was pushed before we knew the platform's id: taken when that comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_overtakes_the_answer_is_taken_when_its_case_is_known() {
    let platform = Platform::start(Tongue::Docking).await;
    platform.troubles(&[Trouble::LoseAnswer]);
    let gateway = Gateway::start(platform.site()).await;
    gateway.press("btn-1", "p1");
    let (incident, case) = platform.has(1).await[0].clone();
    let early = reply(Tongue::Docking, &case, "e-1", "受理", "李建国");
    let (status, _) = push(&gateway, Tongue::Docking, &early).await;
    assert_eq!(status, 200);
    let data = gateway.stage_is(&incident, "accepted").await;
    assert_eq!(data["accepted_by"], "李建国");
    assert_eq!(platform.cases().len(), 1);
}

/// Each platform has a token of its own, which opens nothing else; and no other opens its door.
#[tokio::test(flavor = "multi_thread")]
async fn a_platforms_token_opens_its_own_door_and_no_other_does() {
    let platform = Platform::start(Tongue::Docking).await;
    let gateway = Gateway::start(platform.site()).await;
    let own = token(&gateway);
    let ask = async |path: &str, token: &str| {
        let url = format!("{}{path}", gateway.web);
        let sent = http().post(url).bearer_auth(token).json(&json!({})).send().await;
        sent.unwrap().status().as_u16()
    };
    assert_eq!(ask("/api/v1/platform/district", &gateway.token).await, 401, "the web's token");
    assert_eq!(ask("/api/v1/platform/other", &own).await, 401, "a door that is not there");
    assert_eq!(ask("/api/v1/replies", &own).await, 401, "the platform's token elsewhere");
    assert_eq!(ask("/api/v1/platform/district", &own).await, 200);
    gateway.metric_is("gridpost_web_tokens_refused_total", |refused| refused == 3.0).await;
    use std::os::unix::fs::PermissionsExt;
    for file in ["platforms", "platforms/district.token"] {
        let mode = fs::metadata(gateway.data().join(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{file} has mode {mode:o}");
    }
}

/// A poll that fails is a note and no fault; when it works again, what was said meanwhile is taken.
#[tokio::test(flavor = "multi_thread")]
async fn questions_that_fail_are_noted_and_lose_no_reply() {
    let platform = Platform::start(Tongue::Pinyin).await;
    let (_keep, profile) = quick(&platform, Tongue::Pinyin);
    let gateway = Gateway::start(platform.site_with(&profile)).await;
    gateway.press("btn-1", "p1");
    let (incident, case) = platform.has(1).await[0].clone();
    platform.is_down(true);
    gateway.readiness(200, "platform district, questions: answered 503").await;
    platform.says(reply(Tongue::Pinyin, &case, "r-1", "1", "李建国"));
    platform.says(reply(Tongue::Pinyin, &case, "r-2", "2", "李建国"));
    platform.is_down(false);
    gateway.stage_is(&incident, "dispatched").await;
    // A list that is asked for again changes nothing: the cursor has moved on.
    let asked = platform.questions();
    wait_for("three more questions", || async {
        (platform.questions() >= asked + 3).then_some(())
    })
    .await;
    gateway.replies_are("taken", 2.0).await;
}

/// Kept while nobody knew the word; said again after the dictionary was mended, it counts.
#[tokio::test(flavor = "multi_thread")]
async fn a_word_that_was_added_to_the_dictionary_counts_when_it_is_said_again() {
    let platform = Platform::start(Tongue::Docking).await;
    let (_keep, profile) = platform.changed(&[("\"派遣\" = \"dispatched\"\n", "")]);
    let gateway = Gateway::start(platform.site_with(&profile)).await;
    gateway.press("btn-1", "p1");
    let (incident, case) = platform.has(1).await[0].clone();
    gateway.metric_is("gridpost_pending_records", |pending| pending == 0.0).await;
    let said = reply(Tongue::Docking, &case, "r-1", "派遣", "李建国");
    assert_eq!(push(&gateway, Tongue::Docking, &said).await.1["code"], json!(1));
    gateway.replies_are("unreadable", 1.0).await;
    fs::copy(platform.profile(), &profile).unwrap();
    let (status, answer) = gateway.reload().await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(push(&gateway, Tongue::Docking, &said).await.1["code"], json!(0));
    gateway.stage_is(&incident, "dispatched").await;
}
