//! What platforms do that no platform should: they list our steps as their own, say yes to nothing, mix up cases, err in a 200.

use std::{fs, io::Cursor};

use image::{ImageFormat, Rgb, RgbImage};
use serde_json::{Value, json};

use crate::world::{Gateway, Platform, Tongue, Trouble, form, http, wait_for};

const ALL: [Tongue; 3] = [Tongue::Docking, Tongue::Pinyin, Tongue::Chengguan];
const FIND: &str = "[find]\npath = \"reportedIncident?incidentCode={{ incident }}\"\nid = \"/data/commandCode\"\nnone = [404, 1404]\n";

/// By what the platform of pinyin marks our steps.
const MARK: &str = "own = { at = \"/LZBJ\" }\n";

async fn step(gateway: &Gateway, incident: &str, to: &str, by: &str) {
    let body = json!({"incident": incident, "to": to, "by": by, "department": "城管"});
    let (status, answer) = gateway.post("/api/v1/replies", &body).await;
    assert_eq!(status, 200, "{to}: {answer}");
}

/// The acceptance that the platform was told, as it lists it: `marked` with what our request had.
fn listed(platform: &Platform, id: &str, marked: bool) -> Value {
    let asked = platform.asked("sjlc").into_iter().find(|asked| asked.body["BLLB"] == "1");
    let mut step = asked.expect("it was told of the acceptance").body;
    step["SJLC_ID"] = json!(id);
    if !marked {
        step.as_object_mut().unwrap().remove("LZBJ");
    }
    step
}

/// By what our request had there, and without such a mark by what was told: an acceptance that is listed
/// after the case was opened again accepts nothing, and who does accept it there is heard.
#[tokio::test(flavor = "multi_thread")]
async fn s2_what_a_platform_lists_of_our_own_steps_is_no_reply() {
    for marked in [true, false] {
        let platform = Platform::start(Tongue::Pinyin).await;
        let quick = ("every_s = 30", "every_s = 1");
        let bare = (MARK, "lists_ours = true\n");
        let changes = if marked { vec![quick] } else { vec![quick, bare] };
        let (_keep, profile) = platform.changed(&changes);
        let gateway = Gateway::start(platform.site_with(&profile)).await;
        gateway.press("btn-1", "p1");
        let (incident, case) = platform.has(1).await[0].clone();
        for to in ["accepted", "dispatched", "handled", "verified", "closed", "reopened"] {
            let by = if to == "verified" { "李建国" } else { "王芳" };
            step(&gateway, &incident, to, by).await;
        }
        platform.hears("sjlc", |body| body["BLLB"] == "6").await;
        platform.says(listed(&platform, "own-1", marked));
        gateway.replies_are("own", 1.0).await;
        // Behind it in the list stands what somebody says there, and it is the same word of the same person.
        platform.says(json!({"SJID": case, "SJLC_ID": "r-1", "BLLB": "1", "BLRY": "王芳"}));
        gateway.replies_are("taken", 1.0).await;
        gateway.stage_is(&incident, "accepted").await;
        let (_, data) = gateway.get(&format!("/api/v1/incidents/{incident}")).await;
        let steps = data["steps"].as_array().unwrap();
        let accepted = steps.iter().filter(|step| step["step"] == "accepted").count();
        assert_eq!(accepted, 2, "ours, and the one of the platform's people: {data}");
        let quarantine = gateway.store(&["list", "--quarantine"]);
        assert!(!quarantine.contains("SJLC"), "{quarantine}");
    }
}

/// Unless its profile says that it lists steps of ours, what looks like one is a person who speaks: it never
/// listed his first acceptance, and his second one counts.
#[tokio::test(flavor = "multi_thread")]
async fn s2_a_platform_that_lists_nothing_of_ours_is_heard_in_each_word() {
    for says in ["", "lists_ours = false\n"] {
        let platform = Platform::start(Tongue::Pinyin).await;
        let (_keep, profile) = platform.changed(&[("every_s = 30", "every_s = 1"), (MARK, says)]);
        let gateway = Gateway::start(platform.site_with(&profile)).await;
        let silent = says.is_empty();
        let checked = gateway.command("check", &[]);
        assert_eq!(checked.said().contains("neither `own` nor `lists_ours`"), silent);
        gateway.press("btn-1", "p1");
        let (incident, case) = platform.has(1).await[0].clone();
        for to in ["accepted", "dispatched", "handled", "verified", "closed", "reopened"] {
            let by = if to == "verified" { "李建国" } else { "王芳" };
            step(&gateway, &incident, to, by).await;
        }
        platform.hears("sjlc", |body| body["BLLB"] == "6").await;
        platform.says(json!({"SJID": case, "SJLC_ID": "r-1", "BLLB": "1", "BLRY": "王芳"}));
        gateway.replies_are("taken", 1.0).await;
        gateway.stage_is(&incident, "accepted").await;
    }
}

/// All that it is told it lists again: nothing of that is a reply, and none of it is noise in the quarantine.
#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_lists_everything_of_ours_says_nothing_new() {
    let platform = Platform::start(Tongue::Chengguan).await;
    platform.lists_ours();
    let (_keep, profile) = platform.changed(&[("every_s = 60", "every_s = 1")]);
    let gateway = Gateway::start(platform.site_with(&profile)).await;
    gateway.press("btn-1", "p1");
    let (incident, _) = platform.has(1).await[0].clone();
    let all = ["accepted", "dispatched", "handled", "verified", "closed", "reopened"];
    for to in all {
        let by = if to == "verified" { "李建国" } else { "王芳" };
        step(&gateway, &incident, to, by).await;
    }
    gateway.nothing_is_pending().await;
    gateway.replies_are("own", platform.steps().len() as f64).await;
    gateway.stage_is(&incident, "opened").await;
    assert!(platform.steps().len() >= all.len());
}

/// A yes without the platform's id of the case is none: it is asked for the id, and opened where it has none.
#[tokio::test(flavor = "multi_thread")]
async fn s1_a_yes_without_the_id_of_the_case_is_no_yes() {
    for tongue in ALL {
        for trouble in [Trouble::NoId, Trouble::EmptyYes] {
            let platform = Platform::start(tongue).await;
            platform.troubles(&[trouble]);
            let gateway = Gateway::start(platform.site()).await;
            gateway.press("btn-1", "p1");
            let (incident, case) = platform.has(1).await[0].clone();
            gateway.nothing_is_pending().await;
            step(&gateway, &incident, "accepted", "王芳").await;
            let told = platform.hears("", |body| body.to_string().contains("王芳")).await;
            let whole = format!("{}{}", told.path, told.body).replace("%2F", "/");
            assert!(whole.contains(case.split(' ').next().unwrap()), "{tongue:?}: {told:?}");
            assert_eq!(platform.cases().len(), 1, "{tongue:?} {trouble:?}");
        }
    }
}

fn is_of(body: &Value, incident: &str) -> bool {
    body.to_string().contains(incident)
}

/// A yes without the id, or that it is there already, and nobody can say under which id: it is opened once more
/// and never again, what is owed is said, what comes behind it goes on, and it is settled when the id is known.
#[tokio::test(flavor = "multi_thread")]
async fn s1_a_case_without_an_id_is_opened_twice_at_most_and_owed_until_it_has_one() {
    let there = Trouble::Says("{\"code\":1001,\"data\":{}}");
    for (trouble, find, opened) in [(Trouble::NoId, "", 2), (there, FIND, 0)] {
        let platform = Platform::start(Tongue::Docking).await;
        let (_keep, profile) = platform.changed(&[(FIND, find)]);
        platform.troubles(&[trouble; 2]);
        let gateway = Gateway::start(platform.site_with(&profile)).await;
        gateway.press("btn-1", "p1");
        wait_for("its two openings", || async {
            let _ = gateway.store(&["retry", "--sink", "district"]);
            (platform.asked("").len() >= 2).then_some(())
        })
        .await;
        gateway.readiness(503, "emergencies wait that it does not take").await;
        let list = gateway.get("/api/v1/incidents?kind=emergency-button").await.1;
        let incident = list["incidents"][0]["incident"].as_str().unwrap().to_owned();
        // What names the id means nothing without it, and asks for nothing; what is behind it goes on.
        step(&gateway, &incident, "accepted", "王芳").await;
        gateway.press("btn-2", "p2");
        platform.has(opened + 1).await;
        for _ in 0..3 {
            gateway.store(&["retry", "--sink", "district"]);
        }
        let openings =
            || platform.asked("").iter().filter(|one| is_of(&one.body, &incident)).count();
        assert_eq!((openings(), platform.cases().len()), (2, opened + 1));
        // Its people answer the case, and by that its id is known.
        let token = fs::read_to_string(gateway.data().join("platforms/district.token")).unwrap();
        let body = json!({"incidentCode": incident, "commandCode": "C-77", "feedbackCode": "r",
            "feedbackType": "派遣", "feedbackPerson": "李", "feedbackDepart": "城管"});
        let url = format!("{}/api/v1/platform/district", gateway.web);
        let sent = http().post(url).json(&body).bearer_auth(token.trim()).send().await.unwrap();
        assert_eq!(sent.status(), 200);
        let told = wait_for("its acceptance", || async {
            let _ = gateway.store(&["retry", "--sink", "district"]);
            platform.asked("").into_iter().find(|one| is_of(&one.body, "王芳"))
        });
        assert!(told.await.body.to_string().contains("C-77"));
        gateway.nothing_is_pending().await;
        assert_eq!((openings() - 1, platform.cases().len()), (2, opened + 1));
    }
    let platform = Platform::start(Tongue::Docking).await;
    let (_keep, profile) = platform.changed(&[(FIND, "")]);
    let gateway = Gateway::start(platform.site_with(&profile)).await;
    let checked = gateway.command("check", &[]);
    checked.must_say(0, ["[answer] has `id`, and there is no [find]"]);
}

/// Nothing but the question came through: that is an answer too, and the sink is no longer down.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_settles_what_failed_shows_that_the_platform_is_up() {
    let platform = Platform::start(Tongue::Docking).await;
    platform.troubles(&[Trouble::Down, Trouble::Down, Trouble::Down, Trouble::LoseAnswer]);
    let gateway = Gateway::start(platform.site()).await;
    gateway.press("btn-1", "p1");
    let up = "gridpost_sink_up{sink=\"district\"}";
    gateway.figure_is(up, |up| up == 0.0).await;
    platform.has(1).await;
    gateway.nothing_is_pending().await;
    gateway.figure_is(up, |up| up == 1.0).await;
    assert_eq!(platform.cases().len(), 1);
}

/// Our id, and a case that is another's or nobody's: refused, counted, said, and nothing is taken.
#[tokio::test(flavor = "multi_thread")]
async fn s2_a_push_with_our_id_and_another_case_is_refused() {
    let platform = Platform::start(Tongue::Docking).await;
    let gateway = Gateway::start(platform.site()).await;
    gateway.press("btn-1", "p1");
    let (incident, case) = platform.has(1).await[0].clone();
    gateway.nothing_is_pending().await;
    let token = fs::read_to_string(gateway.data().join("platforms/district.token")).unwrap();
    let push = async |case: &str, id: &str| {
        let body = json!({"incidentCode": incident, "commandCode": case, "feedbackCode": id,
            "feedbackType": "受理", "feedbackPerson": "李"});
        let url = format!("{}/api/v1/platform/district", gateway.web);
        let sent = http().post(url).json(&body).bearer_auth(token.trim()).send().await.unwrap();
        sent.json::<Value>().await.unwrap()
    };
    let answer = push("C-99", "r-1").await;
    assert!(
        answer["msg"].as_str().unwrap().contains("not the case that it calls C-99"),
        "{answer}"
    );
    gateway.replies_are("refused", 1.0).await;
    gateway.stage_is(&incident, "opened").await;
    gateway.readiness(200, "not the case that it calls C-99").await;
    assert!(gateway.store(&["list", "--quarantine"]).contains("C-99"));
    assert_eq!(push(&case, "r-2").await["code"], 0);
    gateway.stage_is(&incident, "accepted").await;
}

fn handled_so_often(data: &Value) -> usize {
    let steps = data["steps"].as_array().unwrap();
    steps.iter().filter(|step| step["step"] == "handled").count()
}

/// Handled, refused by whoever verifies, handled again in the same words; the platform gives its replies no id.
/// What it repeats has one effect, before and after, over a restart, and while it has not heard of the refusal.
#[tokio::test(flavor = "multi_thread")]
async fn s2_a_platform_without_ids_handles_twice_in_the_same_words_and_repeats_itself_in_vain() {
    let platform = Platform::start(Tongue::Docking).await;
    let (_keep, profile) = platform.changed(&[("id = \"/feedbackCode\"\n", "")]);
    let site = platform.site_with(&profile);
    let mut gateway = Gateway::start(&site).await;
    gateway.press("btn-1", "p1");
    let (incident, case) = platform.has(1).await[0].clone();
    gateway.nothing_is_pending().await;
    let body = json!({"commandCode": case, "feedbackType": "处置", "feedbackPerson": "李建国",
        "content": "已清走"});
    let push = async |gateway: &Gateway| {
        let token = fs::read_to_string(gateway.data().join("platforms/district.token")).unwrap();
        let url = format!("{}/api/v1/platform/district", gateway.web);
        let sent = http().post(url).json(&body).bearer_auth(token.trim()).send().await.unwrap();
        assert_eq!(sent.status(), 200);
    };
    push(&gateway).await;
    gateway.stage_is(&incident, "handled").await;
    push(&gateway).await;
    gateway.replies_are("doubled", 1.0).await;

    // While it is down it has not heard of the refusal: what comes is a repetition.
    platform.is_down(true);
    step(&gateway, &incident, "sent-back", "王芳").await;
    push(&gateway).await;
    gateway.replies_are("doubled", 2.0).await;
    gateway.stage_is(&incident, "dispatched").await;
    platform.is_down(false);
    platform.hears("reportedFeedback", |body| body["feedbackType"] == "返工").await;
    gateway.nothing_is_pending().await;
    push(&gateway).await;
    let data = gateway.stage_is(&incident, "handled").await;
    assert_eq!(handled_so_often(&data), 2, "{data}");
    gateway.replies_are("taken", 2.0).await;
    push(&gateway).await;
    gateway.replies_are("doubled", 3.0).await;

    gateway.must_stop_sound().await;
    let folder = gateway.kill().await;
    let gateway = Gateway::start_in(folder, &site, &[]).await;
    push(&gateway).await;
    gateway.replies_are("doubled", 1.0).await;
    // A step behind it that leaves nothing to handle makes no noise.
    step(&gateway, &incident, "verified", "王芳").await;
    gateway.nothing_is_pending().await;
    push(&gateway).await;
    gateway.replies_are("doubled", 2.0).await;
    let data = gateway.stage_is(&incident, "verified").await;
    assert_eq!(handled_so_often(&data), 2, "{data}");
    assert!(!gateway.store(&["list", "--quarantine"]).contains("已清走"));
    // And none of its own steps is told to it again.
    let told = platform.asked("reportedFeedback");
    assert!(told.iter().all(|one| one.body["feedbackType"] != "处置"), "{told:?}");
}

/// As a list that is asked for: the same state again and again is one reply, the same one after another is new;
/// and where it lists all steps, what stands there once more.
#[tokio::test(flavor = "multi_thread")]
async fn s2_a_list_without_ids_says_once_what_it_always_says_and_again_what_has_changed() {
    for lists_all in [false, true] {
        let platform = Platform::start(Tongue::Pinyin).await;
        let (_keep, profile) =
            platform.changed(&[("every_s = 30", "every_s = 1"), ("id = \"/SJLC_ID\"\n", "")]);
        let gateway = Gateway::start(platform.site_with(&profile)).await;
        gateway.press("btn-1", "p1");
        let (incident, case) = platform.has(1).await[0].clone();
        let said = |word: &str, mark: Option<&str>| {
            let mut said = json!({"SJID": case, "BLLB": word, "BLRY": "李建国"});
            mark.into_iter().for_each(|mark| said["LZBJ"] = json!(mark));
            if lists_all { platform.says(said) } else { platform.says_only(said) }
        };
        let asked_thrice = async || {
            let asked = platform.questions();
            let more = || async { (platform.questions() >= asked + 3).then_some(()) };
            wait_for("three more questions", more).await;
        };
        said("3", None);
        gateway.stage_is(&incident, "handled").await;
        asked_thrice().await;
        step(&gateway, &incident, "sent-back", "王芳").await;
        gateway.nothing_is_pending().await;
        // The list is slower than the step: it says what it said.
        asked_thrice().await;
        gateway.stage_is(&incident, "dispatched").await;
        // Its own way to show our step, by our mark.
        said("8", Some(&format!("{incident}.9")));
        asked_thrice().await;
        gateway.stage_is(&incident, "dispatched").await;
        said("3", None);
        gateway.stage_is(&incident, "handled").await;
        asked_thrice().await;
        let (_, data) = gateway.get(&format!("/api/v1/incidents/{incident}")).await;
        assert_eq!((handled_so_often(&data), &data["stage"]), (2, &json!("handled")), "{data}");
        gateway.replies_are("taken", 2.0).await;
    }
}

/// 200, and in it anything but this platform's yes: no, for what opens and for each step.
#[tokio::test(flavor = "multi_thread")]
async fn an_error_within_a_200_is_no_yes_whatever_it_looks_like() {
    const BODIES: [&str; 9] = [
        "{\"code\":500}",
        "{\"code\":\"500\",\"msg\":\"错误\",\"data\":{\"commandCode\":\"x\"}}",
        "{\"success\":false,\"data\":{\"SJXX_COPY_ID\":\"x\"}}",
        "{\"status\":\"error\",\"result\":{\"id\":\"x\"}}",
        "{\"status\":500}",
        "{}",
        "null",
        "",
        "<html>登录</html>",
    ];
    for tongue in ALL {
        let platform = Platform::start(tongue).await;
        platform.troubles(&BODIES.map(Trouble::Says));
        let gateway = Gateway::start(platform.site()).await;
        gateway.press("btn-1", "p1");
        let (incident, _) = retried(&gateway, &platform).await;
        platform.troubles(&[Trouble::Says(BODIES[0]), Trouble::Says(BODIES[7])]);
        step(&gateway, &incident, "accepted", "王芳").await;
        let said = || {
            platform.asked("").iter().filter(|one| one.body.to_string().contains("王芳")).count()
        };
        wait_for("three tries", || async { (said() >= 3).then_some(()) }).await;
        gateway.nothing_is_pending().await;
        assert_eq!((platform.cases().len(), said()), (1, 3), "{tongue:?}");
    }
}

/// A step over the API with a photo of it.
async fn handled_with_a_photo(gateway: &Gateway, incident: &str) {
    let mut photo = Vec::new();
    let picture = RgbImage::from_pixel(64, 48, Rgb([90, 60, 30]));
    picture.write_to(&mut Cursor::new(&mut photo), ImageFormat::Jpeg).unwrap();
    let said = json!({"to": "handled", "by": "王芳"}).to_string();
    let (kind, body) = form(&[("reply", &said)], &photo);
    let url = format!("{}/api/v1/incidents/{incident}/replies", gateway.web);
    let request = http().post(url).bearer_auth(&gateway.token).header("content-type", kind);
    let answer = request.body(body).send().await.unwrap();
    let (status, said) = (answer.status(), answer.text().await.unwrap());
    assert_eq!(status, 200, "{said}");
}

/// The platform says yes to each step, and 500 to the picture that came with one, or that it never takes it: the
/// steps are told once, however often the picture is tried, and with a picture that is refused the case goes on.
#[tokio::test(flavor = "multi_thread")]
async fn s1_a_step_arrives_once_however_often_its_picture_fails_or_is_refused() {
    for refuses in [false, true] {
        let platform = Platform::start(Tongue::Docking).await;
        platform.chokes_on(Some("\"feedbackType\":\"picture\""));
        let refused = "refused = [4001, 4002]";
        let says = if refuses { "refused = [4001, 4002, 500]" } else { refused };
        let (_keep, profile) = platform.changed(&[(refused, says)]);
        let gateway = Gateway::start(platform.site_with(&profile)).await;
        gateway.press("btn-1", "p1");
        let (incident, _) = platform.has(1).await[0].clone();
        step(&gateway, &incident, "accepted", "王芳").await;
        step(&gateway, &incident, "dispatched", "王芳").await;
        handled_with_a_photo(&gateway, &incident).await;
        step(&gateway, &incident, "verified", "李建国").await;
        step(&gateway, &incident, "closed", "王芳").await;
        let of = |word: &str| {
            platform.asked("").iter().filter(|one| one.body["feedbackType"] == word).count()
        };
        if refuses {
            gateway.logs("its pictures are refused for good").await;
        } else {
            wait_for("many tries of its picture", || async {
                let _ = gateway.store(&["retry", "--sink", "district"]);
                (of("picture") >= 12).then_some(())
            })
            .await;
            platform.chokes_on(None);
        }
        // Steps leave in their order: what comes after waits for the pictures that may still be taken.
        platform.hears("", |body| body["feedbackType"] == "结案").await;
        wait_for("that nothing is owed", || async {
            let _ = gateway.store(&["retry", "--sink", "district"]);
            let pending = gateway.figure("gridpost_pending_records{sink=\"district\"}").await;
            pending.filter(|pending| *pending == 0.0)
        })
        .await;
        for word in ["受理", "派遣", "处置", "核查", "结案"] {
            assert_eq!(of(word), 1, "{word}, refuses: {refuses}");
        }
        assert!(!refuses || of("picture") == 1, "{} times", of("picture"));
        assert_eq!(platform.cases().len(), 1);
    }
}

/// Its case, asked for again at once and again.
async fn retried(gateway: &Gateway, platform: &Platform) -> (String, String) {
    wait_for("its case", || async {
        let _ = gateway.store(&["retry", "--sink", "district"]);
        platform.cases().first().cloned()
    })
    .await
}
