//! Links at random and at their edges: cut, changed, revoked, late, of other gateways.

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;

const PEOPLE: [&str; 2] = ["李建国", "王芳"];

fn links(data: &Path, valid_h: u32) -> Arc<CaseLinks> {
    let links = CaseLinks::at(data);
    let settings = LinkSettings { url: "https://reach.example/".into(), valid_h };
    links.configure(Some(settings), PEOPLE.map(str::to_owned).into()).unwrap();
    links
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn incident(n: u128) -> IncidentId {
    IncidentId(uuid::Uuid::from_u128(n))
}

fn code(link: &str) -> &str {
    link.rsplit('/').next().unwrap()
}

#[test]
fn a_link_is_short_and_good_for_its_person_its_case_and_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let links = links(folder.path(), 72);
    let now = at("2026-12-01T10:00:30Z");
    let (link, until) = links.make("李建国", incident(7), now).unwrap();
    assert!(link.starts_with("https://reach.example/c/") && link.len() <= 90, "{link}");
    assert_eq!(until, at("2026-12-04T10:01:00Z"), "a minute is rounded up");
    let of = links.read(code(&link), now).unwrap();
    assert_eq!((of.person.as_str(), of.incident, of.until), ("李建国", incident(7), until));
    assert_eq!(links.read(&code(&link).to_uppercase(), at("2026-12-04T10:00:59Z")), Ok(of.clone()));
    assert_eq!(links.read(code(&link), until), Err(BadLink::Expired));
    // It says nothing of how late it is, and makes no link.
    assert_eq!(links.read(code(&link), at("1970-01-01T00:00:30Z")), Ok(of));
    assert_eq!(links.make("李建国", incident(7), at("1970-01-01T00:00:30Z")), Err(NoLink::Clock));
    assert_eq!(links.make("路人", incident(7), now), Err(NoLink::Unknown));
    // A restart keeps them, another gateway knows none of them.
    let again = self::links(folder.path(), 1);
    assert_eq!(again.read(code(&link), now).unwrap().person, "李建国");
    let other = tempfile::tempdir().unwrap();
    let other = self::links(other.path(), 72);
    assert_eq!(other.read(code(&link), now), Err(BadLink::Wrong));
    // Who is not named any more, and everybody once it is switched off.
    let settings = again.state().settings.clone();
    again.configure(settings, ["王芳".to_owned()].into()).unwrap();
    assert_eq!(again.read(code(&link), now), Err(BadLink::Wrong));
    again.configure(None, PEOPLE.map(str::to_owned).into()).unwrap();
    assert_eq!(again.read(code(&link), now), Err(BadLink::Wrong));
    assert_eq!(again.make("王芳", incident(7), now), Err(NoLink::Off));
}

#[test]
fn revoked_links_are_no_good_and_those_made_since_are() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let links = links(folder.path(), 72);
    let now = at("2026-12-01T10:00:00Z");
    let make = |person: &str| links.make(person, incident(7), now).unwrap().0;
    let read = |link: &str| {
        let refreshed = links.refresh();
        let read = links.read(code(link), now).map(|of| of.person);
        assert_eq!(refreshed.is_err(), read == Err(BadLink::NoKeys), "{refreshed:?}");
        read
    };
    let [li, wang] = PEOPLE.map(make);
    for _ in 0..2 {
        revoke(folder.path(), "李建国").unwrap();
        assert_eq!((read(&li), read(&wang)), (Err(BadLink::Wrong), Ok("王芳".into())));
    }
    let later = make("李建国");
    assert_eq!(read(&later), Ok("李建国".into()));
    // What cannot be read brings nothing back to life, and is not said to be the fault of a link.
    std::fs::write(folder.path().join("keys/links.revoked"), "{\"李建国\":").unwrap();
    assert_eq!((read(&li), read(&later)), (Err(BadLink::NoKeys), Err(BadLink::NoKeys)));
    assert_eq!(links.read("cut", now), Err(BadLink::Wrong), "no keys are needed for that");
    let made = links.make("王芳", incident(7), now);
    assert!(matches!(&made, Err(NoLink::Key(why)) if why.contains("links.revoked")), "{made:?}");
    revoke_all(folder.path()).unwrap();
    assert_eq!((read(&later), read(&wang)), (Err(BadLink::Wrong), Err(BadLink::Wrong)));
    assert_eq!(read(&make("王芳")), Ok("王芳".into()));
    let mode = |name: &str| {
        let about = std::fs::metadata(folder.path().join(name)).unwrap();
        about.permissions().mode() & 0o777
    };
    assert_eq!((mode("keys"), mode("keys/links.key")), (0o700, 0o600));
    std::fs::write(folder.path().join("keys/links.key"), "short").unwrap();
    assert!(links.make("王芳", incident(7), now).is_ok(), "of the keys in memory");
    assert!(matches!(links.refresh(), Err(NoLink::Key(_))));
    assert!(matches!(links.make("王芳", incident(7), now), Err(NoLink::Key(_))));
}

/// A key that a disk does not give: reading it ends only when somebody writes.
fn stuck(path: &Path) {
    std::fs::remove_file(path).unwrap();
    let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

#[test]
fn l7_a_link_is_made_and_read_while_the_disk_does_not_answer() {
    use std::{sync::mpsc, thread, time::Duration};
    let folder = tempfile::tempdir().unwrap();
    let (links, now) = (links(folder.path(), 72), at("2026-12-01T10:00:00Z"));
    let key = folder.path().join("keys/links.key");
    let text = std::fs::read_to_string(&key).unwrap();
    stuck(&key);
    let (refreshing, refreshed) = (links.clone(), mpsc::sync_channel(1));
    thread::spawn(move || refreshed.0.send(refreshing.refresh()).unwrap());
    assert!(refreshed.1.recv_timeout(Duration::from_millis(300)).is_err(), "it waits for the disk");
    let (making, made) = (links.clone(), mpsc::sync_channel(1));
    thread::spawn(move || {
        let (link, _) = making.make("王芳", incident(7), now).unwrap();
        made.0.send(making.read(code(&link), now).map(|of| of.person)).unwrap();
    });
    let read = made.1.recv_timeout(Duration::from_secs(20)).expect("it waited for the disk");
    assert_eq!(read, Ok("王芳".into()));
    // The disk answers.
    std::fs::write(&key, text).unwrap();
    assert_eq!(refreshed.1.recv_timeout(Duration::from_secs(20)), Ok(Ok(())));
}

#[test]
fn l7_no_link_but_the_one_that_was_made_is_good() {
    let seed: u64 = match std::env::var("GRIDPOST_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => rand::random(),
    };
    println!("GRIDPOST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let links = links(folder.path(), 72);
    let now = at("2026-12-01T10:00:00Z");
    for _ in 0..500 {
        let id = incident(random.random());
        let person = PEOPLE[random.random_range(0..2)];
        let (link, _) = links.make(person, id, now).unwrap();
        let good = code(&link);
        assert_eq!(good.len(), CODE_CHARS);
        let of = links.read(good, now).unwrap();
        assert_eq!((of.person.as_str(), of.incident), (person, id));
        for at in 0..good.len() {
            let mut other: Vec<char> = good.chars().collect();
            other[at] =
                char::from(b"0123456789abcdefghjkmnpqrstvwxyzilou-_ /"[random.random_range(0..40)]);
            let other: String = other.into_iter().collect();
            if other != good {
                assert_eq!(links.read(&other, now), Err(BadLink::Wrong), "{good} {other}");
            }
            assert_eq!(links.read(&good[..at], now), Err(BadLink::Wrong), "cut");
        }
        assert_eq!(links.read(&format!("{good}0"), now), Err(BadLink::Wrong));
    }
    for text in ["", "é", "\u{0}", &"é".repeat(30), &"z".repeat(CODE_CHARS), &"0".repeat(1_000_000)]
    {
        assert_eq!(links.read(text, now), Err(BadLink::Wrong));
    }
}
