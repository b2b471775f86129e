//! Failed log-ins: how long who waits, what no network can push out, how many are under way, and what reaches the disk.

use super::*;

fn at(s: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + s).unwrap()
}

fn from(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Network number so many, each another.
fn of(n: u32) -> IpAddr {
    IpAddr::from((0x0a00_0000 + n).to_be_bytes())
}

/// Somebody tries and is wrong; the error is how long he has to wait.
fn wrong(failures: &Failures, account: &str, from: IpAddr, s: i64) -> Result<(), Option<i64>> {
    failures.begin(account, from, at(s)).map(drop).map_err(|why| why.wait_s)
}

fn entries(failures: &Failures) -> HashMap<String, Failed> {
    lock(&failures.0.table).all.clone()
}

/// Two wrong log-ins of each of so many names; those that have to wait are none.
fn invent(failures: &Failures, names: usize, from: IpAddr) {
    for s in [0, 2] {
        for n in 0..names {
            let _ = wrong(failures, &format!("x{n}"), from, s);
        }
    }
}

#[tokio::test]
async fn each_failure_waits_twice_as_long_up_to_a_quarter_of_an_hour() {
    let folder = tempfile::tempdir().unwrap();
    let failures = Failures::at(folder.path());
    let one = from("192.0.2.1");
    let mut now = 0;
    for n in 0..15 {
        assert_eq!(wrong(&failures, "Li", one, now), Ok(()));
        let wait = (1i64 << n).min(900);
        assert_eq!(wrong(&failures, "li ", one, now), Err(Some(wait)), "after {n}");
        assert_eq!(wrong(&failures, "li", one, now + wait - 1), Err(Some(1)));
        now += wait;
    }
    // Nobody else waits.
    assert_eq!(wrong(&failures, "wang", one, now - 1), Ok(()));
    assert_eq!(wrong(&failures, "li", from("192.0.2.2"), now - 1), Ok(()));
    // It is on disk, and nobody's name is.
    failures.write();
    let again = Failures::at(folder.path());
    assert_eq!(wrong(&again, "li", one, now - 1), Err(Some(1)));
    let text = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
    assert!(!text.contains("li") && !text.contains("192.0.2"), "{text}");
    // The right password ends it, and so does a day.
    again.begin("LI", one, at(now)).unwrap().forgive();
    assert_eq!(wrong(&again, "li", one, now), Ok(()));
    assert_eq!(wrong(&again, "li", one, now), Err(Some(1)), "the first one since");
    assert_eq!(wrong(&again, "li", one, now + 1), Ok(()));
    assert_eq!(wrong(&again, "li", one, now + 1 + 24 * 3600), Ok(()));
    assert_eq!(wrong(&again, "li", one, now + 1 + 24 * 3600), Err(Some(1)), "it begins anew");
}

#[tokio::test]
async fn a_clock_that_jumps_locks_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let failures = Failures::at(folder.path());
    let one = from("192.0.2.1");
    for n in 0..20 {
        let _ = wrong(&failures, "li", one, n * 1_000);
    }
    let past = |s: i64| {
        let then = Timestamp::from_second(1_000 + s).unwrap();
        failures.begin("li", one, then).map(drop).map_err(|why| why.wait_s)
    };
    assert_eq!(past(0), Ok(()));
    assert_eq!(past(0), Err(Some(900)));
    assert_eq!(past(900), Ok(()));
}

#[tokio::test]
async fn p11_they_are_bounded_and_who_failed_most_stays() {
    let folder = tempfile::tempdir().unwrap();
    let failures = Failures::at(&folder.path().join("no/folder"));
    let one = from("192.0.2.1");
    for n in 0..3 {
        assert_eq!(wrong(&failures, "li", one, n * 10), Ok(()));
    }
    for n in 0..2_000 {
        assert_eq!(wrong(&failures, "x", of(n), 30), Ok(()), "each network has its first try");
    }
    assert_eq!(entries(&failures).len(), ENTRIES_MAX);
    assert_eq!(wrong(&failures, "li", one, 21), Err(Some(3)), "it is still known");
    // It cannot be written, and nobody notices but the log.
    failures.write();
}

#[tokio::test]
async fn no_network_is_rid_of_its_failures_by_inventing_names() {
    let folder = tempfile::tempdir().unwrap();
    let failures = Failures::at(folder.path());
    let one = from("2001:db8::1");
    for s in [0, 1, 3, 7] {
        assert_eq!(wrong(&failures, "zhao", one, s - 10), Ok(()));
    }
    invent(&failures, ENTRIES_MAX - 1, one);
    assert_eq!(entries(&failures).len(), NAMES_MAX + 1, "all further names are one");
    assert_eq!(wrong(&failures, "zhao", one, 4), Err(Some(1)), "he is still known");
    // Another name between two guesses, from wherever in the network, is of no help.
    let (mut guesses, mut s) = (0, 10);
    while s < 3_600 {
        guesses += usize::from(wrong(&failures, "li", one, s).is_ok());
        let _ = wrong(&failures, &format!("y{s}"), from("2001:db8::2"), s);
        s += 1;
    }
    assert!((1..=14).contains(&guesses), "{guesses} guesses in an hour");
    assert_eq!(entries(&failures).len(), NAMES_MAX + 1);
    // Nobody else has noticed.
    assert_eq!(wrong(&failures, "li", from("2001:db8:0:1::1"), s), Ok(()));
}

#[tokio::test]
async fn many_networks_that_fill_the_table_push_out_no_more_than_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let failures = Failures::at(folder.path());
    let (networks, home) = (40, from("192.0.2.1"));
    failures.begin("wang", home, at(0)).unwrap().forgive();
    (0..networks).for_each(|n| invent(&failures, NAMES_MAX, of(n)));
    assert_eq!(entries(&failures).len(), ENTRIES_MAX);
    let mut guesses = 0;
    for s in 10..3_600u32 {
        guesses += usize::from(wrong(&failures, "li", of(0), s.into()).is_ok());
        let _ = wrong(&failures, &format!("y{s}"), of(s % networks), s.into());
    }
    assert!((1..=14).contains(&guesses), "{guesses} guesses in an hour");
    assert_eq!(entries(&failures).len(), ENTRIES_MAX);
    // Of those who were right nobody is forgotten.
    let (own, _) = keys("wang", home);
    assert_eq!(entries(&failures).get(&own).map(|one| one.whose), Some(Whose::Proven));
}

#[tokio::test]
async fn strangers_of_his_network_delay_nobody_who_was_right_there() {
    let folder = tempfile::tempdir().unwrap();
    let failures = Failures::at(folder.path());
    let proxy = from("192.0.2.1");
    failures.begin("wang", proxy, at(0)).unwrap().forgive();
    invent(&failures, NAMES_MAX, proxy);
    assert_eq!(wrong(&failures, "y", proxy, 10), Ok(()));
    assert_eq!(wrong(&failures, "z", proxy, 10), Err(Some(1)), "new names are one");
    failures.begin("wang", proxy, at(10)).unwrap().forgive();
    // Nor do they take his places.
    let strangers: Vec<_> = (0..UNDER_WAY_MAX)
        .map(|n| failures.begin(&format!("x{n}"), proxy, at(20)).unwrap())
        .collect();
    assert_eq!(wrong(&failures, "x5", proxy, 20), Err(None));
    assert_eq!(wrong(&failures, "wang", proxy, 20), Ok(()));
    drop(strangers);
    // A restart knows it, and a month without him does not.
    failures.write();
    let again = Failures::at(folder.path());
    let (own, _) = keys("wang", proxy);
    assert!(entries(&again).contains_key(&own));
    assert_eq!(wrong(&again, "other", proxy, 20 + PROVEN_FOR_MS / 1_000), Ok(()));
    assert!(!entries(&again).contains_key(&own));
}

#[tokio::test]
async fn an_account_of_ones_own_is_no_way_to_guess_at_another() {
    let folder = tempfile::tempdir().unwrap();
    let failures = Failures::at(folder.path());
    let one = from("192.0.2.1");
    invent(&failures, NAMES_MAX, one);
    assert_eq!(wrong(&failures, "li", one, 10), Ok(()));
    failures.begin("wang", one, at(11)).unwrap().forgive();
    assert_eq!(wrong(&failures, "li", one, 11), Ok(()));
    assert_eq!(wrong(&failures, "li", one, 12), Err(Some(1)), "it is the second one");
    failures.begin("wang", one, at(12)).unwrap().forgive();
    assert_eq!(wrong(&failures, "li", one, 12), Err(Some(1)));
}

#[tokio::test]
async fn a_try_that_nobody_looked_at_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let failures = Failures::at(folder.path());
    let one = from("192.0.2.1");
    for s in [0, 1, 3] {
        assert_eq!(wrong(&failures, "li", one, s), Ok(()));
    }
    let before = entries(&failures);
    for account in ["li", "wang"] {
        failures.begin(account, one, at(7)).unwrap().take_back();
        assert_eq!(entries(&failures), before, "{account}");
    }
    assert_eq!(wrong(&failures, "li", one, 7), Ok(()), "it was none");
    assert_eq!(wrong(&failures, "li", one, 7), Err(Some(8)), "and the fourth one is the fourth");
    // One that was counted meanwhile stays counted.
    let early = failures.begin("li", one, at(15)).unwrap();
    assert_eq!(wrong(&failures, "li", one, 31), Ok(()));
    early.take_back();
    assert_eq!(wrong(&failures, "li", one, 31), Err(Some(32)));
    // Who had to leave for it is there again.
    (0..2_000).for_each(|n| assert_eq!(wrong(&failures, "x", of(n), 31), Ok(())));
    let before = entries(&failures);
    let newcomer = failures.begin("x", of(3_000), at(31)).unwrap();
    assert_ne!(entries(&failures), before);
    newcomer.take_back();
    assert_eq!(entries(&failures), before);
}

#[tokio::test]
async fn p11_a_fifth_log_in_of_a_network_is_refused_and_counted_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let failures = Failures::at(folder.path());
    let one = from("192.0.2.1");
    let mut under_way: Vec<_> =
        (0..UNDER_WAY_MAX).map(|n| failures.begin(&format!("x{n}"), one, at(0)).unwrap()).collect();
    failures.write();
    let before = entries(&failures);
    for again in ["192.0.2.1", "::ffff:192.0.2.1"] {
        let refused = failures.begin("li", from(again), at(0)).err();
        assert_eq!(refused, Some(NotNow { wait_s: None }), "{again}");
    }
    assert_eq!(entries(&failures), before);
    assert!(!lock(&failures.0.table).is_new, "there is nothing to write");
    // Another network is served meanwhile.
    let other = failures.begin("li", from("192.0.2.2"), at(0)).unwrap();
    other.forgive();
    // Each that ends makes room for one.
    under_way.pop();
    under_way.push(failures.begin("li", one, at(0)).unwrap());
    assert_eq!(wrong(&failures, "wang", one, 0), Err(None));
    drop((under_way, other));
    assert!(lock(&failures.0.table).under_way.is_empty(), "nothing is left of them");
    assert_eq!(wrong(&failures, "wang", one, 0), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn p11_they_are_written_once_a_second_and_none_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let failures = Failures::at(folder.path());
    let half = WRITTEN_EVERY / 2;
    let written = || {
        let bytes = std::fs::read(folder.path().join(FILE)).ok()?;
        serde_json::from_slice::<HashMap<String, Failed>>(&bytes).ok()
    };
    for n in 0..100 {
        assert_eq!(wrong(&failures, "li", of(n), 0), Ok(()));
    }
    tokio::time::sleep(half).await;
    assert_eq!(written(), None, "no log-in waits for the disk");
    tokio::time::sleep(WRITTEN_EVERY).await;
    let first = entries(&failures);
    assert_eq!((first.len(), written()), (100, Some(first.clone())));
    // The next ones wait for the next second.
    failures.begin("wang", of(0), at(1)).unwrap().forgive();
    tokio::time::sleep(half).await;
    assert_eq!(wrong(&failures, "li", of(200), 1), Ok(()));
    assert_eq!(written(), Some(first));
    tokio::time::sleep(WRITTEN_EVERY).await;
    assert_eq!(written(), Some(entries(&failures)));
    assert!(!lock(&failures.0.table).has_writer, "nobody writes what is written");
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_begun_anew_and_an_older_one_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (file, one) = (folder.path().join(FILE), from("192.0.2.1"));
    std::fs::write(&file, "{\"a\":{\"times\":").unwrap();
    assert_eq!(wrong(&Failures::at(folder.path()), "li", one, 0), Ok(()));
    let (own, _) = keys("li", one);
    let last_ms = at(0).as_millisecond();
    std::fs::write(&file, format!("{{\"{own}\":{{\"times\":3,\"last_ms\":{last_ms}}}}}")).unwrap();
    let failures = Failures::at(folder.path());
    assert_eq!(wrong(&failures, "li", one, 0), Err(Some(4)));
    assert_eq!(wrong(&failures, "li", one, 4), Ok(()));
    assert_eq!(wrong(&failures, "li", one, 4), Err(Some(8)));
}
