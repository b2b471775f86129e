//! One happening, one incident, end to end: walkers before two cameras, and a button pressed at the door between them.

use serde_json::{Value, json};

use crate::world::{Gateway, Receiver, RtspServer, press, street};

#[tokio::test(flavor = "multi_thread")]
async fn walkers_seen_by_two_cameras_are_one_incident_and_the_press_at_the_door_takes_it_up() {
    let server = RtspServer::start(0, &street("h264"));
    let receiver = Receiver::start().await;
    let url = server.with_user("viewer:s3cret");
    let config = format!(
        "[site]\nid = \"demo\"\nplace = [113.9188, 30.9215]\n\n[[camera]]\nid = \"east\"\nurl = \"{url}\"\nplace = [113.91280, 30.92210]\ndetect_fps = 2\nclip_max_s = 3\n\n[[camera]]\nid = \"west\"\nurl = \"{url}\"\nplace = [113.91300, 30.92210]\ndetect_fps = 2\nclip_max_s = 3\n\n[[button]]\nid = \"btn-1\"\nname = \"张秀英\"\nplace = [113.91290, 30.92215]\n\n[[button]]\nid = \"btn-2\"\nname = \"刘德福\"\nplace = [113.91291, 30.92215]\n\n[[rule]]\nid = \"walkers\"\nkind = \"intrusion\"\nclear_s = 30\n\n[[sink]]\nid = \"grid\"\nkind = \"http\"\nurl = \"{}\"\n",
        receiver.url
    );
    let gateway = Gateway::start(&config).await;
    let two = |data: &Value| {
        data["kind"] == "intrusion" && data["sources"].as_array().unwrap().len() == 2
    };
    let seen = receiver.wait("one incident of both cameras", two).await["data"].clone();
    assert_eq!(seen["detail"]["fusion"][0]["rule"], "seen-by-several", "{seen:#}");
    assert!(seen["why"].as_str().unwrap().contains("joined by seen-by-several, 19 m apart"));

    // Two neighbours press: two emergencies; the first one takes up who is seen at the door.
    let intake = gateway.intake.unwrap();
    assert!(press(intake, "btn-1", "p1") && press(intake, "btn-2", "p2"));
    let of = |button: &'static str| {
        move |data: &Value| data["kind"] == "emergency-button" && data["sources"][0]["id"] == button
    };
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
    let clip = |data: &Value| {
        data["incident"] == first["incident"]
            && data["evidence"]
                .as_array()
                .unwrap()
                .iter()
                .any(|one| one["media_type"] == "video/mp4")
    };
    receiver.wait("the clip of the press", clip).await;
}
