//! 1+2+N on the real binary: each role hears by its own sink while somebody of it is on duty, and `check` says what is short.

use serde_json::json;

use crate::world::{Gateway, Launch, Receiver, Robot, Site};

/// One officer and two auxiliaries always; a worker of a grid that this site does not have.
const DUTY: &str = "name,role,phone,days,hours,areas\n\
    王警官,民警,0712-0000111,daily,00:00-24:00,\n孙辅警,辅警,0712-0000114,daily,00:00-24:00,\n\
    周辅警,辅警,,daily,00:00-24:00,\n吴网格员,网格员,,daily,00:00-24:00,G9\n";
const ROLES: [&str; 3] = ["officer", "auxiliary", "worker"];

/// A receiver of everything, and a robot for each role.
fn site(receiver: &Receiver, robots: &[Robot; 3]) -> Site {
    let mut site = Site::demo().button("b1").button("b2").http(receiver).section("[duty]");
    site = site.set("roster", "duty.csv");
    for (role, robot) in ROLES.into_iter().zip(robots) {
        site = site
            .http_sink(role, &robot.url)
            .set("kind", "webhook")
            .set("roles", [role])
            .set("body", r#"{"msgtype":"text","text":{"content":"{title}|{on_duty}|{officer}"}}"#);
    }
    site
}

async fn pressed(gateway: &Gateway, receiver: &Receiver, device: &str) {
    gateway.press(device, "1");
    let is_it = |data: &serde_json::Value| data["sources"][0]["id"] == device;
    receiver.wait("the press", |data| data["what"] == "opened" && is_it(data)).await;
}

/// What this robot was told, one text after the other.
fn told(robot: &Robot) -> Vec<String> {
    let texts = robot.texts().into_iter();
    texts.map(|(_, text)| text["text"]["content"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_is_told_by_its_own_sink_and_where_nobody_is_on_duty_all_are() {
    let receiver = Receiver::start().await;
    let robots = [Robot::start().await, Robot::start().await, Robot::start().await];
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("duty.csv"), DUTY).unwrap();
    let site = site(&receiver, &robots);
    let gateway = Launch::of(&site).in_folder(folder).start().await;

    pressed(&gateway, &receiver, "b1").await;
    gateway.nothing_is_pending().await;
    let officer = "b1：紧急按钮求助|王警官 0712-0000111|王警官";
    let helpers = "b1：紧急按钮求助|孙辅警 0712-0000114、周辅警|";
    assert_eq!(robots.each_ref().map(told), [vec![officer], vec![helpers], vec![]], "no worker");
    gateway.command("check", &[]).must_say(0, ["fine"]);

    // Nobody at all: rather all than none.
    let over = "name,role,phone,from,until\n王警官,民警,,2020-01-01 20:00,2020-01-02 08:00\n";
    std::fs::write(gateway.file("duty.csv"), over).unwrap();
    assert_eq!(gateway.reload().await.0, 200);
    pressed(&gateway, &receiver, "b2").await;
    gateway.nothing_is_pending().await;
    let all = "b2：紧急按钮求助||";
    let expected = [vec![officer, all], vec![helpers, all], vec![all]];
    assert_eq!(robots.each_ref().map(told), expected);

    // One auxiliary, and by night nobody who decides.
    let short =
        "name,role,days,hours\n王警官,民警,daily,08:00-20:00\n孙辅警,辅警,daily,00:00-24:00\n";
    std::fs::write(gateway.file("duty.csv"), short).unwrap();
    gateway.command("check", &[]).must_say(
        0,
        [
            "warning: duty: 1+2+N: fewer than two auxiliaries from",
            "warning: duty: 1+2+N: no officer, fewer than two auxiliaries from",
            "warning: duty: neither lead nor officer from",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn l10_whom_the_list_knows_by_one_telephone_verifies_nothing_of_his_own() {
    let receiver = Receiver::start().await;
    let folder = tempfile::tempdir().unwrap();
    let list = "name,role,phone,days,hours\n王芳,民警,138 0013 8000,daily,00:00-24:00\n\
                王警官,民警,+86-13800138000,daily,00:00-24:00\n孙辅警,辅警,110,daily,00:00-24:00\n";
    std::fs::write(folder.path().join("duty.csv"), list).unwrap();
    let site =
        Site::demo().button("b1").http(&receiver).section("[duty]").set("roster", "duty.csv");
    let gateway = Launch::of(&site).in_folder(folder).start().await;
    gateway.press("b1", "1");
    let event = receiver.wait("the press", |data| data["what"] == "opened").await;
    let case = event["data"]["incident"].clone();
    let says = async |to: &str, by: &str| {
        let said = json!({"incident": case, "to": to, "by": by});
        gateway.post("/api/v1/replies", &said).await
    };
    assert_eq!(says("handled", "王芳").await.0, 200);
    for same in ["王警官", "王 芳", "王　警官"] {
        let (status, told) = says("verified", same).await;
        assert_eq!(status, 409, "{same}");
        assert!(
            told["error"].as_str().unwrap().contains("(王芳 is the same person here)"),
            "{told}"
        );
    }
    assert_eq!(says("verified", "孙辅警").await.0, 200);
    let checked = gateway.command("check", &[]);
    checked.must_say(0, ["warning: duty: 王芳, 王警官 have one mobile: they count as one person"]);
}
