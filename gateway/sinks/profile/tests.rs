//! Profiles by themselves: nothing that a device or a person wrote breaks a request, and answers mean what they say.

use serde_json::{Value, json};

use super::{CaseFacts, Categories, Category, Profile, sample::sample};
use crate::domain::{Kind, ReplyTo};

const REST: &str = r#"
[push]
[poll]
path = "steps?after={{ cursor }}"
items = "/data"
[reply]
incident = "/ours"
case = "/case"
id = "/id"
status = "/status"
by = "/by"
[inward]
"1" = "accepted"
"9" = { to = "dismissed", reason = "not-ours" }
"0" = "ignore"
"#;

fn categories() -> Categories {
    let row: Category = [("code".to_owned(), "7\"".to_owned())].into();
    Categories { by_kind: [("rain".to_owned(), row.clone())].into(), other: Some(row) }
}

fn profile(body: &str, kinds: &[Kind]) -> Result<Profile, Vec<super::Wrong>> {
    let text = format!(
        "name = \"x\"\n[[send]]\nopens = true\npath = \"a/{{{{ title }}}}?b={{{{ case.id }}}}\"\nheaders = {{ X-Key = \"{{{{ event_id }}}}\" }}\nbody = '''\n{body}'''\n{REST}"
    );
    Profile::parse("p.toml", &text, kinds, categories())
}

#[test]
fn whatever_a_person_wrote_is_a_value_and_nothing_else() {
    let made = profile(
        "{\"a\": {{ title }}, \"b\": {{ category.code ~ grid_code }}, \"c\": [{{ lon }}, {{ active }}], \"d\": {{ event.title }}}",
        &[Kind::Rain],
    )
    .unwrap();
    let data = sample(Kind::Rain, "opened", true).unwrap();
    let case = CaseFacts { id: Some("../../x?y=1&z #"), ..CaseFacts::default() };
    let request = made.request(None, &data, &case).unwrap().unwrap();
    let body: Value = serde_json::from_slice(&request.body.unwrap()).unwrap();
    assert_eq!(body["a"], json!(data.title.zh));
    assert_eq!(body["b"], json!(format!("7\"{}", data.grid.unwrap().code)));
    assert_eq!(body["c"], json!([113.9, true]));
    assert_eq!(body["d"]["zh"], json!(data.title.zh));
    assert!(!request.path.contains(['"', '\n', ' ', '#', '&']), "{}", request.path);
    assert!(request.path.ends_with("?b=..%2F..%2Fx%3Fy%3D1%26z%20%23"), "{}", request.path);
    assert_eq!(request.headers[0].1, format!("{}.1", data.incident));
}

#[test]
fn a_link_goes_where_a_template_names_it_and_nowhere_else() {
    let data = sample(Kind::Rain, "opened", true).unwrap();
    let case = CaseFacts { link: Some("https://reach.example/c/SECRET"), ..CaseFacts::default() };
    for (body, named) in [("{\"all\": {{ event }}}", false), ("{\"to\": {{ link }}}", true)] {
        let made = profile(body, &[Kind::Rain]).unwrap();
        assert_eq!(made.names_link(), named);
        let request = made.request(None, &data, &case).unwrap().unwrap();
        let sent = String::from_utf8(request.body.unwrap()).unwrap();
        assert_eq!(sent.contains("SECRET"), named, "{sent}");
    }
}

#[test]
fn a_template_has_an_end_a_size_and_no_other_file() {
    let wrong = |body: &str| profile(body, &[Kind::Rain]).unwrap_err();
    let endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}1";
    assert!(wrong(endless)[0].1.contains("fuel"), "{:?}", wrong(endless));
    let large =
        "\"{% for a in range(9000) %}0123456789012345678901234567890123456789{% endfor %}\"";
    println!("{:?}", wrong(large));
    assert!(!wrong(large).is_empty());
    for other in ["{% include 'x' %}", "{% extends 'x' %}", "{% import 'x' as y %}"] {
        assert!(wrong(other)[0].1.contains("syntax error"), "{:?}", wrong(other));
    }
    let (line, said) = &wrong("{\"a\": 1,\n \"b\": {{ nobody }}}")[0];
    assert_eq!(*line, 8);
    assert!(said.starts_with("send 1 body: undefined value `nobody`"), "{said}");
}

#[test]
fn what_is_not_there_is_named_with_its_line() {
    let rain = &[Kind::Rain];
    for (body, line, words) in [
        ("{\"a\":\n {{ category.codes }}}", 8, "`category.codes`"),
        ("{\"a\": 1,\n\n \"b\": {{ title ~ evnt.x ~ nobody }}}", 9, "`evnt.x`"),
        ("{\"a\": {{ event.place.lon | cut(3) }}}", 7, "`event.place.lon`"),
        ("{\"a\": {{ pieces[9].id }}}", 7, "`pieces[9].id`"),
        ("{\"a\": {% if nobody %}1{% endif %}}", 7, "`nobody`"),
        ("{\"a\": {{ status }}}", 7, "[outward] has no word"),
    ] {
        let wrong = profile(body, rain).unwrap_err();
        let named = wrong.iter().any(|(at, said)| *at == line && said.contains(words));
        assert!(named, "{body}: {wrong:?}");
    }
}

/// Each of these would take all memory there is, in a few steps.
#[test]
fn p11_no_template_takes_the_memory() {
    let doubled = |open: &str, close: &str| {
        let all: String = (0..40).map(|n| open.replace('#', &n.to_string())).collect();
        format!("{{% if true %}}{all}{{% endif %}}{}", close.repeat(40))
    };
    let nested = format!("[{}]", "title,".repeat(900));
    let wide = format!(
        "{{% for a in [{nested}] %}}{{% for b in [[a,a,a,a,a,a,a,a]] %}}{{% for c in [[b,b,b,b,b,b,b,b]] %}}{{{{ [c,c,c,c,c,c,c,c,c] }}}}{{% endfor %}}{{% endfor %}}{{% endfor %}}"
    );
    for (body, words) in [
        ("{{ title | tojson(indent=2000000000) }}".to_owned(), "indent: expected 8 at most"),
        ("{{ title | tojson(9) }}".to_owned(), "indent: expected 8 at most"),
        ("{{ event | tojson(2000000000) }}".to_owned(), "indent: expected 8 at most"),
        (
            "{% set a = [1,1] %}{% set a = [a,a] %}{{ a }}".to_owned(),
            "{% set %}: expected if and for",
        ),
        ("{%- with a = 1 %}{{ a }}{% endwith %}".to_owned(), "{% with %}: expected if and for"),
        (doubled("{% for a# in [[title,title]] %}", "{% endfor %}"), "loops in loops"),
        (wide, "a value of more than"),
        ("{{ \"x\" * 90000000 }}".to_owned(), "fuel"),
        ("{{ (\"x\" * 100000) | replace(\"x\", \"y\" * 100000) }}".to_owned(), "fuel"),
        ("{{ \"%2000000000d\" | format(1) }}".to_owned(), ""),
        ("{{ title | indent(2000000000) }}".to_owned(), "unknown filter"),
    ] {
        let wrong = profile(&body, &[Kind::Rain]).unwrap_err();
        assert!(wrong[0].1.contains(words), "{body:.200}: {:.300}", wrong[0].1);
    }
    assert!(profile("{{ event | tojson(indent=8) }}", &[Kind::Rain]).is_ok());
}

#[test]
fn replies_are_read_by_pointer_and_dictionary() {
    let made = profile("{}", &[Kind::Rain]).unwrap();
    let read = |item: Value| made.read_reply(&item);
    let reply = read(json!({"case": 7, "status": 1, "id": "r", "by": " 李 "})).unwrap();
    assert_eq!(
        (reply.case.as_deref(), reply.step, reply.by.as_deref()),
        (Some("7"), Some((ReplyTo::Accepted, None)), Some("李"))
    );
    assert_eq!(read(json!({"case": "x", "status": "0"})).unwrap().step, None);
    let dismissed = read(json!({"case": "x", "status": "9"})).unwrap().step.unwrap();
    assert_eq!((dismissed.0, dismissed.1.is_some()), (ReplyTo::Dismissed, true));
    for (item, words) in [
        (json!({"status": 1}), "names no case"),
        (json!({"ours": "zz", "status": 1}), "none of our incidents"),
        (json!({"case": "x"}), "no word on the case"),
        (json!({"case": "x", "status": null}), "no word on the case"),
        (json!({"case": "x", "status": "77"}), "stands in no dictionary; [inward] knows 0, 1, 9"),
        (json!([1]), "names no case"),
        (json!(null), "names no case"),
    ] {
        let why = read(item.clone()).unwrap_err();
        assert!(why.contains(words), "{item}: {why}");
    }
    let polled = made.polled_items(&json!({"data": [{"id": 1}, {"id": 2}]})).unwrap();
    assert_eq!((polled.items.len(), polled.cursor.as_deref(), polled.left_out), (2, Some("2"), 0));
    for (count, left_out) in [(4_000, 0), (4_001, 1), (9_000, 5_000)] {
        let all: Vec<Value> = (1..=count).map(|n| json!({ "id": n })).collect();
        let polled = made.polled_items(&json!({ "data": all })).unwrap();
        assert_eq!((polled.items.len(), polled.left_out), (4_000, left_out));
        assert_eq!(
            (&polled.items[3_999], polled.cursor),
            (&json!({"id": count}), Some(count.to_string()))
        );
    }
    assert!(made.polled_items(&json!({"data": 7})).is_err());
    assert!(made.pushed_items(&json!(7)).is_err());
    assert_eq!(made.pushed_items(&json!({"a": 1})).unwrap().len(), 1);
    let many = json!(vec![json!({}); 1_001]);
    assert!(made.pushed_items(&many).unwrap_err().contains("1000 at most"));
}
