//! The officers' page in a real browser (`tests/console/flows.mjs`), and its two doors: the session and the feed of changes.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::json;

use crate::world::{Gateway, Launch, Receiver, RtspServer, Site, gridpost, is_of, street};

const ROSTER: &str = "name,role,phone,days,hours,from,until,areas,note\n\
    王警官,民警,0712-0000111,daily,00:00-24:00,,,,\n\
    孙辅警,辅警,0712-0000114,daily,00:00-24:00,,,,\n\
    李警官,民警,0712-0000112,1,00:00-00:01,,,,\n";

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/console")
}

/// Where the pictures are left.
pub(crate) fn screens() -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    Path::new(env!("CARGO_MANIFEST_DIR")).join(target).join("screens")
}

fn site() -> Site {
    let named = [
        ("btn-1", "张秀英（独居老人）", "女儿 138-0000-0686"),
        ("btn-2", "刘德福（独居老人）", "社区医生 138-0000-0701"),
        ("btn-3", "桥北小学门卫室", "保安队长 138-0000-0715"),
        ("btn-4", "陈玉兰（独居老人）", "儿子 138-0000-0722"),
        ("btn-5", "和平里 3 栋 楼道", "物业 138-0000-0731"),
        ("evil", "<img src=x onerror=\"window.hacked=1\">", "<script>window.hacked=1</script>"),
    ];
    let site = Site::demo()
        .set("name", "桥北社区警务室")
        .section("[duty]")
        .set("roster", "duty.csv")
        .section("[routing]")
        .set("otherwise", json!({"department": "综治中心", "person": "李建国"}));
    named.into_iter().fold(site, |site, (id, name, contact)| {
        site.button(id).set("name", name).set("contact", contact)
    })
}

pub(crate) async fn start(site: Site) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("duty.csv"), ROSTER).unwrap();
    Launch::of(site).in_folder(folder).start().await
}

/// Runs one flow; what it says is shown.
pub(crate) async fn flow(gateway: &Gateway, name: &str, screens: Option<&Path>) -> String {
    flow_with(gateway, name, screens, &[]).await
}

/// Likewise, with more in its environment.
pub(crate) async fn flow_with(
    gateway: &Gateway,
    name: &str,
    screens: Option<&Path>,
    more: &[(&str, String)],
) -> String {
    assert!(
        here().join("node_modules/playwright-core").is_dir(),
        "playwright-core is not here; `make setup-console` fetches it"
    );
    // Whatever hangs in it ends with a word, and not with the test.
    let mut command = Command::new("timeout");
    command
        .args(["400", "node"])
        .arg(here().join("flows.mjs"))
        .arg(name)
        .env("GRIDPOST_WEB", &gateway.web)
        .env("GRIDPOST_TOKEN", &gateway.token)
        .env("GRIDPOST_INTAKE", gateway.intake.unwrap().to_string())
        .envs(more.iter().map(|(key, value)| (key, value)))
        .stdin(Stdio::null());
    if let Some(screens) = screens {
        std::fs::create_dir_all(screens).unwrap();
        command.env("GRIDPOST_SCREENS", screens);
    }
    let ended = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    let output = ended.expect("node is installed by the set-up");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let wrong = String::from_utf8_lossy(&output.stderr);
    print!("{said}");
    assert!(output.status.success(), "{name}: {said}{wrong}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emergency_rings_on_every_screen_until_one_tap_accepts_it() {
    flow(&start(site()).await, "accept", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_further_press_of_a_case_that_somebody_has_rings_again() {
    flow(&start(site()).await, "again", Some(&screens())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_late_revives_no_case_that_is_over() {
    flow(&start(site()).await, "late", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_taps_second_hears_who_was_first() {
    flow(&start(site()).await, "second", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_is_dismissed_with_a_reason_of_the_list() {
    flow(&start(site()).await, "dismiss", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_alone_does_every_step() {
    flow(&start(site()).await, "keyboard", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_connection_cut_at_each_change_the_page_equals_the_overview() {
    flow(&start(site()).await, "cuts", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i15_a_dead_or_silent_connection_is_told_and_what_is_old_is_grey() {
    flow(&start(site()).await, "lost", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_moves_under_a_finger_and_an_emergency_comes_all_the_same() {
    flow(&start(site()).await, "touched", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i14_a_device_may_be_called_anything_and_it_is_text_on_every_screen() {
    flow(&start(site()).await, "names", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn language_and_colours_change_at_once_and_logging_out_leaves_nothing() {
    flow(&start(site()).await, "words", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_is_told_and_heard() {
    flow(&start(site()).await, "thrown", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_made_used_and_taken_away_on_the_page() {
    let gateway = start(site()).await;
    let made = gridpost(&["user", "init", "-c", &gateway.file("gridpost.toml")]);
    assert_eq!(made.code, 0, "{}", made.said());
    let code = [("GRIDPOST_CODE", made.stdout.trim().to_owned())];
    flow_with(&gateway, "accounts", Some(&screens()), &code).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_is_on_the_screen_within_300_ms_of_its_acknowledgement() {
    flow(&start(site()).await, "measure", None).await;
}

/// Look at them: `target/screens`.
#[tokio::test(flavor = "multi_thread")]
async fn every_screen_in_both_languages_and_colours_has_no_serious_fault() {
    let server = RtspServer::start(0, &street("h264"));
    let receiver = Receiver::start().await;
    let site = site().walkers().http(&receiver).camera("square", &server).short_clips();
    let gateway = start(site.set("name", "桥北广场")).await;
    receiver.wait("a walker", |data| is_of(data, "intrusion", "square")).await;
    flow(&gateway, "screens", Some(&screens())).await;
}
