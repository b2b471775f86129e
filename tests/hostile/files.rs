//! A file that was cut off, whoever guesses the token, and a flood of what nobody can read: told, and never in silence.

use std::{fs, time::Instant};

use serde_json::{Value, json};

use crate::world::{Button, Gateway, Message, Receiver, Site, http};

/// Attack 53: of 120 random cuts five were applied, with the intake, the buttons and all sinks gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_cut_off_takes_nothing_away_until_that_is_said_twice() {
    let receiver = Receiver::start().await;
    let site = Site::demo().button("btn-1").http(&receiver);
    let mut gateway = Gateway::start(&site).await;
    let file = gateway.file("gridpost.toml");
    let whole = fs::read_to_string(&file).unwrap();
    let ends: Vec<usize> = whole.match_indices('\n').map(|(at, _)| at + 1).collect();
    let mut refused = 0;
    for cut in ends.into_iter().filter(|cut| *cut < whole.trim_end().len()) {
        fs::write(&file, &whole[..cut]).unwrap();
        let (status, answer) = gateway.reload().await;
        refused += usize::from(status == 409 && answer["removes"].is_array());
        if status == 200 {
            // A single key that was cut off is a change like any other.
            let gone = |item: &Value| item["change"] == "removed";
            assert!(!answer["difference"].as_array().unwrap().iter().any(gone), "{answer}");
            fs::write(&file, &whole).unwrap();
            assert_eq!(gateway.reload().await.0, 200);
        } else {
            assert!(status == 422 || status == 409, "cut at {cut}: {status} {answer}");
            assert_eq!(answer["applied"], false, "{answer}");
        }
    }
    assert!(refused > 0, "no cut is a configuration");
    gateway.press("btn-1", "1");
    receiver.wait("the press", |data| data["sources"][0]["id"] == "btn-1").await;
    // SIGHUP has no second word.
    let less = site.clone().without("[[sink]]", "grid");
    gateway.rewrite(&less);
    gateway.signal("HUP");
    gateway.logs("this would take away every [[sink]] (1)").await;
    let (status, answer) = gateway.reload().await;
    assert_eq!((status, &answer["removes"]), (409, &json!(["every [[sink]] (1)"])), "{answer}");
    for wrong in ["confirm=yes", "sure=true"] {
        let (status, answer) = gateway.post(&format!("/api/v1/reload?{wrong}"), &json!({})).await;
        assert_eq!(status, 400, "{answer}");
    }
    gateway.press("btn-1", "2");
    let (status, answer) = gateway.reload_confirmed().await;
    assert_eq!((status, &answer["applied"]), (200, &json!(true)), "{answer}");
    let sink = json!([{ "section": "sink", "id": "grid", "change": "removed" }]);
    assert_eq!(answer["difference"], sink, "{answer}");
    gateway.must_stop_sound().await;
}

/// Attack 43: a thousand wrong tokens, no line and no figure.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_tokens_are_counted_told_and_slowed_down_and_the_right_one_is_not() {
    let gateway = Gateway::start(Site::demo()).await;
    let url = format!("{}/api/v1/incidents", gateway.web);
    let began = Instant::now();
    for n in 0..13 {
        let answer = http().get(&url).bearer_auth(format!("guess-{n}")).send().await.unwrap();
        assert_eq!(answer.status(), 401);
    }
    assert!(began.elapsed().as_secs_f64() >= 3.0, "three beyond the ten: {:?}", began.elapsed());
    let none = http().get(&url).send().await.unwrap();
    assert_eq!(none.status(), 401);
    assert_eq!(gateway.metric("gridpost_web_tokens_refused_total").await, 13.0);
    gateway.logs("web: a wrong token").await;
    assert!(!gateway.log().contains("guess-"), "nobody's slip of the pen is in the log");
    // While others guess, who has the token is answered at once.
    let guess = http().get(&url).bearer_auth("guess").send();
    let guessing = tokio::spawn(guess);
    let right = Instant::now();
    let (status, _) = gateway.get("/api/v1/incidents").await;
    assert_eq!(status, 200);
    assert!(!guessing.is_finished() || right.elapsed().as_secs_f64() < 1.0);
    assert_eq!(guessing.await.unwrap().unwrap().status(), 401);
}

/// Attack 39: 263 messages made 110 MB of log, in lines of 420 KB.
#[tokio::test(flavor = "multi_thread")]
async fn p11_a_flood_of_what_nobody_can_read_is_bounded_in_the_log_and_on_disk() {
    let mut gateway = Gateway::start(Site::demo()).await;
    let port = gateway.intake.unwrap();
    let mut button = Button::new("mad", port);
    let event = "x".repeat(200_000);
    let payload = format!(r#"{{"device":"mad","event":"{event}"}}"#);
    let topic = format!("gridpost/demo/button/{}", "t".repeat(2_000));
    for _ in 0..20 {
        assert!(Message::new(port, &topic, &payload).send());
    }
    for n in 0..1_000 {
        // Names of its own: of one, more than so many a second are not read at all.
        button.say(&format!("mad-{n}"), r#"{"event":7"#).await;
    }
    let log = gateway.log();
    let longest = log.lines().map(str::len).max().unwrap_or_default();
    let flood = log.lines().filter(|line| line.contains("unreadable payload")).count();
    assert!(flood < 900, "{flood} lines of 1,020 messages");
    assert!(longest < 8_000, "a line of {longest} bytes");
    assert!(log.len() < 1_000_000, "{} bytes of log", log.len());
    let all = gateway.metric("gridpost_signals_unreadable_total").await;
    assert!(all >= 1_000.0, "{all}");
    gateway.press("btn-1", "1");
    gateway.must_stop_sound().await;
}
