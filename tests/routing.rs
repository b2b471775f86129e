//! 准入清单 on the real binary: departments hear of their own cases, a new list holds for new ones, and none goes
//! to nobody.

use serde_json::json;

use crate::world::{Gateway, Launch, Receiver, Robot, Site};

const LIST: &str = "item,department,kinds,areas,person,phone\n\
    紧急求助,派出所,emergency-button,,王警官,110\n\
    设备故障,运维单位,device-battery,,,\n";

/// One officer always, a worker in no grid of this site, and a night that is over.
const DUTY: &str = "name,role,phone,days,hours,from,until,areas\n\
    王警官,民警,0712-0000111,daily,00:00-24:00,,,\n张三,网格员,,daily,00:00-24:00,,,G9\n\
    赵警官,民警,,,,2020-01-01 20:00,2020-01-02 08:00,\n";

/// Two buttons; a platform that hears all, and each department's own robot.
fn site(receiver: &Receiver, robots: &[(&str, &Robot)]) -> Site {
    let mut site = Site::demo()
        .button("b1")
        .button("b2")
        .http(receiver)
        .section("[routing]")
        .set("table", "routing.csv")
        .set("otherwise", json!({"department": "综治中心", "person": "李四"}))
        .section("[duty]")
        .set("roster", "duty.csv");
    for (department, robot) in robots {
        site = site
            .http_sink(robot_id(department), &robot.url)
            .set("kind", "webhook")
            .set("severity_max", 4)
            .set("what", ["opened", "transferred"])
            .set("departments", [department])
            .set(
                "body",
                r#"{"msgtype":"text","text":{"content":"{title} {department} {officer_phone}"}}"#,
            );
    }
    site
}

fn robot_id(department: &str) -> &'static str {
    match department {
        "派出所" => "police",
        "消防" => "fire",
        _ => "centre",
    }
}

async fn pressed(gateway: &Gateway, receiver: &Receiver, device: &str) -> serde_json::Value {
    gateway.press(device, &format!("{device}-1"));
    let event = receiver
        .wait("the press", |data| data["what"] == "opened" && data["sources"][0]["id"] == device)
        .await;
    event["data"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_department_hears_of_its_own_cases_and_a_new_list_holds_for_new_ones() {
    let receiver = Receiver::start().await;
    let (police, fire, centre) = (Robot::start().await, Robot::start().await, Robot::start().await);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("routing.csv"), LIST).unwrap();
    std::fs::write(folder.path().join("duty.csv"), DUTY).unwrap();
    let site = site(&receiver, &[("派出所", &police), ("消防", &fire), ("综治中心", &centre)]);
    let gateway = Launch::of(&site).in_folder(folder).start().await;

    let case = pressed(&gateway, &receiver, "b1").await;
    let expected =
        json!({"department": "派出所", "item": "紧急求助", "person": "王警官", "phone": "110"});
    assert_eq!(case["route"], expected);
    assert_eq!(
        case["detail"]["duty"],
        json!([{"role": "officer", "name": "王警官", "phone": "0712-0000111"}])
    );
    let told = police.text().await.1;
    assert_eq!(told["text"]["content"], "b1：紧急按钮求助 派出所 0712-0000111");
    let id = case["incident"].as_str().unwrap();
    let step = |to: &str, by: &str| json!({"incident": id, "to": to, "by": by});
    let (status, sent) = gateway.post("/api/v1/replies", &step("dispatched", "值班长")).await;
    assert_eq!((status, &sent["department"]), (200, &json!("派出所")));
    let mut on = step("transferred", "派出所");
    on["department"] = "消防".into();
    assert_eq!(gateway.post("/api/v1/replies", &on).await.0, 200);
    fire.text().await;

    // The list does not hold it any more: a person does.
    std::fs::write(gateway.file("routing.csv"), LIST.replace("emergency-button", "rain")).unwrap();
    let (status, answer) = gateway.reload().await;
    assert_eq!(status, 200, "{answer}");
    let other = pressed(&gateway, &receiver, "b2").await;
    let expected = json!({"department": "综治中心", "item": "未列入准入清单", "person": "李四", "admitted": false});
    assert_eq!(other["route"], expected);
    centre.text().await;

    // A bad list is refused, and the good one goes on.
    std::fs::write(gateway.file("routing.csv"), "item,department,kinds\na,b,fire\n").unwrap();
    let (status, answer) = gateway.reload().await;
    assert_eq!(status, 422);
    let problems = answer["problems"].as_array().unwrap();
    let told = problems.iter().find(|one| one["warning"] == false).unwrap();
    assert!(told["file"].as_str().unwrap().ends_with("routing.csv"), "{answer}");
    assert_eq!(told["line"], 2);

    gateway.nothing_is_pending().await;
    let folder = gateway.kill().await;
    std::fs::write(folder.path().join("routing.csv"), LIST).unwrap();
    let gateway = Gateway::start_in(folder, &site, &[]).await;
    let (_, kept) =
        gateway.get(&format!("/api/v1/incidents/{}", other["incident"].as_str().unwrap())).await;
    assert_eq!(kept["route"], expected, "what was said of a case stays");
    // Opened, and sent to it; sent to it; opened.
    assert_eq!([&police, &fire, &centre].map(|robot| robot.texts().len()), [2, 1, 1]);
}
