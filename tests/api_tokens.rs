//! API tokens over the web: made with scopes and an end, told in one answer, listed, revoked.

use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::world::{Gateway, Seat, Site, http, said, wait_for};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_made_over_the_web_told_once_and_revoked_at_once() {
    let gateway = Gateway::start(Site::demo()).await;
    let seat = Seat::take(&gateway, "commander", "commander").await;
    let new = |days: Value| json!({ "name": " 大屏 ", "scopes": ["read"], "days": days });
    for days in [json!(0), json!(3_651)] {
        let refused = seat.ask(Method::POST, "/api/v1/tokens", &new(days.clone())).await;
        assert_eq!(refused.status(), 422, "{days}");
    }
    for (key, wrong, status) in [
        ("scopes", json!([]), 422),
        ("scopes", json!(["everything"]), 400),
        ("name", json!(" "), 422),
        ("days", json!(-1), 400),
        ("role", json!("commander"), 400),
    ] {
        let mut asked = new(json!(1));
        asked[key] = wrong;
        let got = seat.ask(Method::POST, "/api/v1/tokens", &asked).await.status();
        assert_eq!(got, status, "{asked}");
    }
    let answer = seat.ask(Method::POST, "/api/v1/tokens", &new(json!(1))).await;
    assert_eq!(
        (answer.status(), &answer.headers()[header::CACHE_CONTROL]),
        (StatusCode::OK, &"no-store".parse().unwrap())
    );
    let made = said(answer).await.1;
    let token = made["token"].as_str().unwrap().to_owned();
    assert!(made["name"] == "大屏" && made["expires_at"].is_string(), "{made}");
    let opens = async |path: &str| {
        let request = http().get(format!("{}{path}", gateway.web)).bearer_auth(&token);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!((opens("/api/v1/incidents").await, opens("/api/v1/accounts").await), (200, 403));
    let list = said(seat.ask(Method::GET, "/api/v1/accounts", &Value::Null).await).await.1;
    assert_eq!(list["tokens"][0]["scopes"], json!(["read"]));
    assert!(!list.to_string().contains(&token), "it is told once");
    assert_eq!(
        seat.ask(Method::POST, "/api/v1/tokens", &new(Value::Null)).await.status(),
        422,
        "twice"
    );
    let one = "/api/v1/tokens/%E5%A4%A7%E5%B1%8F";
    assert_eq!(seat.ask(Method::DELETE, one, &Value::Null).await.status(), 204);
    assert_eq!(opens("/api/v1/incidents").await, 401, "at once");
    assert_eq!(seat.ask(Method::DELETE, one, &Value::Null).await.status(), 404);
    wait_for("both are in the journal", || async {
        let written = gateway.journal();
        assert!(!written.contains(&token));
        (written.contains("\"token-added\"") && written.contains("\"token-removed\"")).then_some(())
    })
    .await;
}
