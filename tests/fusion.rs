//! One happening, one incident, end to end: walkers before two cameras, and a button pressed at the door between them.

use serde_json::{Value, json};

use crate::world::{Gateway, Receiver, RtspServer, Site, clip_of, is_of, street};

#[tokio::test(flavor = "multi_thread")]
async fn walkers_seen_by_two_cameras_are_one_incident_and_the_press_at_the_door_takes_it_up() {
    let server = RtspServer::start(0, &street("h264"));
    let receiver = Receiver::start().await;
    let door = |site: Site, id: &str, lon: f64| {
        let camera = site.camera(id, &server).set("place", [lon, 30.92210]);
        camera.set("detect_fps", 2).set("clip_max_s", 3)
    };
    let site = Site::demo().set("place", [113.9188, 30.9215]);
    let site = door(door(site, "east", 113.91280), "west", 113.91300)
        .button("btn-1")
        .set("name", "张秀英")
        .set("place", [113.91290, 30.92215])
        .button("btn-2")
        .set("name", "刘德福")
        .set("place", [113.91291, 30.92215])
        .walkers()
        .set("clear_s", 30)
        .http(&receiver);
    let gateway = Gateway::start(&site).await;
    let two = |data: &Value| {
        data["kind"] == "intrusion" && data["sources"].as_array().unwrap().len() == 2
    };
    let seen = receiver.wait("one incident of both cameras", two).await["data"].clone();
    assert_eq!(seen["detail"]["fusion"][0]["rule"], "seen-by-several", "{seen:#}");
    assert!(seen["why"].as_str().unwrap().contains("joined by seen-by-several, 19 m apart"));

    // Two neighbours press: two emergencies; the first one takes up who is seen at the door.
    gateway.press("btn-1", "p1");
    gateway.press("btn-2", "p2");
    let of = |button: &'static str| move |data: &Value| is_of(data, "emergency-button", button);
    let first = receiver.wait("the press", of("btn-1")).await["data"].clone();
    assert_eq!((&first["what"], &first["revision"]), (&json!("opened"), &json!(1)));
    let sources: Vec<&Value> =
        first["sources"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!((sources.len(), sources[0]), (3, &json!("btn-1")), "{first:#}");
    let second = receiver.wait("the other press", of("btn-2")).await["data"].clone();
    assert_ne!(second["incident"], first["incident"]);
    assert_eq!(second["sources"].as_array().unwrap().len(), 1, "{second:#}");
    let over = |data: &Value| data["kind"] == "intrusion" && data["what"] == "ended";
    let ended = receiver.wait("the end of the sighting", over).await["data"].clone();
    assert_eq!(ended["incident"], seen["incident"]);
    assert_eq!(ended["detail"]["joined_to"], first["incident"]);
    // The camera's clip is evidence of the emergency.
    let clip = |data: &Value| data["incident"] == first["incident"] && clip_of(data).is_some();
    receiver.wait("the clip of the press", clip).await;
}
