//! The tab of cameras in a real browser: stills, live pictures and how far they are behind, zones drawn and tried.

use crate::{
    console::{flow_with, screens},
    world::{Gateway, NUMBERED_S, Receiver, RtspServer, Site, is_of, numbered, street, wait_for},
};

/// The walkers of vtest before one camera, and a rule that has told of some of them.
async fn yard() -> (Gateway, RtspServer, Receiver) {
    let server = RtspServer::start(0, &street("h264"));
    let receiver = Receiver::start().await;
    let site = Site::demo().set("name", "桥北社区警务室").http(&receiver).camera("yard", &server);
    let site = site.set("name", "桥北广场").short_clips().walkers();
    let gateway = Gateway::start(site).await;
    (gateway, server, receiver)
}

async fn seen_walkers() -> (Gateway, RtspServer, Receiver) {
    let all = yard().await;
    all.2.wait("a walker", |data| is_of(data, "intrusion", "yard")).await;
    // Tracks are in their file two seconds later.
    wait_for("its tracks", || async {
        let rule = serde_json::json!({"id": "walkers", "kind": "intrusion", "cameras": ["yard"]});
        let asked = serde_json::json!({"camera": "yard", "hours": 1, "rule": rule});
        let (_, told) = all.0.post("/api/v1/rules/try", &asked).await;
        (told["present"]["count"].as_u64()? > 0).then_some(())
    })
    .await;
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wall_of_stills_turns_live_where_it_is_touched() {
    let server = RtspServer::start(0, &street("h264"));
    let gateway = Gateway::start(Site::demo().camera("yard", &server)).await;
    // A busy server may need a second try: the page waits for its still, not for that.
    gateway.camera_is("gridpost_camera_up", "yard", |up| up == 1.0).await;
    flow_with(&gateway, "wall", None, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tile_turns_live_where_something_happens_and_back_where_it_is_stopped() {
    let (gateway, _server, receiver) = yard().await;
    receiver.wait("a walker", |data| is_of(data, "intrusion", "yard")).await;
    flow_with(&gateway, "wall-happens", None, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_picture_comes_back_and_a_browser_without_the_codec_says_why_not() {
    let (gateway, _server, _receiver) = yard().await;
    flow_with(&gateway, "wall-again", None, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_is_drawn_by_mouse_touch_and_keys_and_tried_applied_and_taken_back() {
    let (gateway, _server, _receiver) = seen_walkers().await;
    flow_with(&gateway, "zones", Some(&screens()), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_camera_the_page_leads_on() {
    let gateway = Gateway::start(Site::demo().button("btn-1")).await;
    flow_with(&gateway, "no-cameras", Some(&screens()), &[]).await;
}

/// Look at them: `target/screens/b-*`.
#[tokio::test(flavor = "multi_thread")]
async fn the_tab_of_cameras_in_both_languages_and_colours_has_no_serious_fault() {
    let (gateway, _server, _receiver) = seen_walkers().await;
    flow_with(&gateway, "camera-screens", Some(&screens()), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_picture_is_close_behind_the_camera() {
    let folder = tempfile::tempdir().unwrap();
    let server = RtspServer::start(0, &numbered(folder.path()));
    let gateway = Gateway::start(Site::demo().camera("yard", &server)).await;
    let turn = wait_for("the beginning of the clip", || {
        let turns = server.turns();
        async move { turns.first().copied() }
    })
    .await;
    let more = [("GRIDPOST_TURN", turn.to_string()), ("GRIDPOST_LOOP_S", NUMBERED_S.to_string())];
    flow_with(&gateway, "behind", None, &more).await;
}
