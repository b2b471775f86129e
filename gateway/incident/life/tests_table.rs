//! The table of steps, said a second time: rows of stages in, where each step leads out.

use std::sync::LazyLock;

use jiff::{SignedDuration, civil::Time, tz::TimeZone};

use super::{Case, Config, Move, next};
use crate::domain::{
    AskFor, Asked, CaseStep, DutyRole, Hours, IncidentId, Life, OnDuty, Persons, Reply, ReplyTo,
    Roster, Severity, Shift, SpeaksFor, Stage, Tier, What,
};

const ALL: [Stage; 7] = [
    Stage::Opened,
    Stage::Accepted,
    Stage::Dispatched,
    Stage::Handled,
    Stage::Verified,
    Stage::Closed,
    Stage::Dismissed,
];

fn now() -> jiff::Timestamp {
    "2026-07-01T03:00:00Z".parse().unwrap()
}

fn reply(to: ReplyTo, by: &str) -> Reply {
    let mut reply = Reply::new(IncidentId::new(), to, by);
    reply.department = Some("城管".into());
    reply.until = Some(now() + SignedDuration::from_hours(100));
    reply
}

fn case(stage: Stage, life: &Life) -> Case<'_> {
    static NOBODY: LazyLock<Persons> = LazyLock::new(Persons::default);
    let (severity, tier) = (Severity::NOTICE, Some(Tier::Slow));
    Case { stage, severity, tier, finish_by: None, life, persons: &NOBODY }
}

fn asked(what: AskFor) -> Life {
    let until = Some(now() + SignedDuration::from_hours(1));
    let asked = Asked { what, by: "甲".into(), at: now(), until };
    Life { asked: Some(asked), ..Life::default() }
}

/// Where each step leads from each stage, in the order of [`ALL`]; `.` is nowhere.
#[test]
fn each_step_leads_from_each_stage_where_it_should_and_nowhere_else() {
    use ReplyTo as R;
    let nothing = Life::default();
    let suspended = Life { suspended: Some((now(), now())), ..Life::default() };
    for (to, life, expected) in [
        (R::Accepted, &nothing, "A......"),
        (R::Dispatched, &nothing, "DD....."),
        (R::Handled, &nothing, "HHH...."),
        (R::Verified, &nothing, "VVVV..."),
        (R::Closed, &nothing, "CCCCC.."),
        (R::Dismissed, &nothing, "XXXXX.."),
        (R::Reopened, &nothing, ".....OO"),
        (R::SelfHandled, &nothing, "HH....."),
        (R::Merged, &nothing, "CCCCC.."),
        (R::Transferred, &nothing, ".DD...."),
        (R::SentBack, &nothing, "...D..."),
        (R::AskExtend, &nothing, ".ADHV.."),
        (R::AskSuspend, &nothing, ".AD...."),
        (R::AskGiveBack, &nothing, "..D...."),
        (R::AskWithdraw, &nothing, "OADHV.."),
        (R::Granted, &nothing, "......."),
        (R::Refused, &nothing, "......."),
        (R::Granted, &asked(AskFor::Extend), "OADHV.."),
        (R::Granted, &asked(AskFor::Suspend), ".AD...."),
        (R::Granted, &asked(AskFor::GiveBack), "AAAAA.."),
        (R::Granted, &asked(AskFor::Withdraw), "XXXXX.."),
        (R::Refused, &asked(AskFor::GiveBack), "OADHV.."),
        (R::Resumed, &nothing, "......."),
        (R::Resumed, &suspended, "OADHV.."),
        // The gateway alone takes these.
        (R::Escalated, &nothing, "......."),
        (R::Lapsed, &nothing, "......."),
    ] {
        let letter = |stage| match stage {
            Stage::Opened => 'O',
            Stage::Accepted => 'A',
            Stage::Dispatched => 'D',
            Stage::Handled => 'H',
            Stage::Verified => 'V',
            Stage::Closed => 'C',
            Stage::Dismissed => 'X',
        };
        let lead = |stage| {
            let found = next(&case(stage, life), &reply(to, "乙"), now(), &Config::default());
            found.map_or('.', |step| letter(step.stage))
        };
        assert_eq!(ALL.map(lead).iter().collect::<String>(), expected, "{to:?}");
    }
}

#[test]
fn the_answers_of_the_first_seven_are_as_they_were() {
    let life = Life::default();
    let why = |stage, to| {
        next(&case(stage, &life), &reply(to, "x"), now(), &Config::default()).unwrap_err()
    };
    for (stage, to, expected) in [
        (
            Stage::Accepted,
            ReplyTo::Accepted,
            "it is Accepted already: Accepted would be a step back",
        ),
        (
            Stage::Handled,
            ReplyTo::Dispatched,
            "it is Handled already: Dispatched would be a step back",
        ),
        (Stage::Closed, ReplyTo::Accepted, "it is Closed already: reopen it first"),
        (Stage::Dismissed, ReplyTo::Dismissed, "it is Dismissed already: reopen it first"),
        (
            Stage::Accepted,
            ReplyTo::Reopened,
            "it is Accepted: only a closed or dismissed incident can be reopened",
        ),
        (Stage::Opened, ReplyTo::SentBack, "it is Opened: `sent-back` is not possible there"),
    ] {
        assert_eq!(why(stage, to), expected);
    }
}

#[test]
fn who_passes_over_dispatched_has_handled_it_himself() {
    let life = Life::default();
    let own = |stage, to| {
        let found = next(&case(stage, &life), &reply(to, "x"), now(), &Config::default());
        found.unwrap().self_handled
    };
    for to in [ReplyTo::Handled, ReplyTo::SelfHandled, ReplyTo::Verified, ReplyTo::Closed] {
        assert!(own(Stage::Opened, to) && own(Stage::Accepted, to), "{to:?}");
    }
    assert!(!own(Stage::Dispatched, ReplyTo::Handled) && !own(Stage::Dispatched, ReplyTo::Closed));
    assert!(!own(Stage::Opened, ReplyTo::Dispatched) && !own(Stage::Opened, ReplyTo::Dismissed));
    assert!(!own(Stage::Opened, ReplyTo::Merged));
}

#[test]
fn whoever_grants_or_verifies_is_another_person_with_a_name() {
    let mut handled = Life::default();
    handled.push(CaseStep::new(ReplyTo::Handled, "甲", now(), 3));
    let strict = &Config::default();
    let loose = Config { another_verifies: false, another_grants: false, ..Config::default() };
    let loose = &loose;
    let asked = asked(AskFor::Withdraw);
    for (to, life) in [
        (ReplyTo::Granted, &asked),
        (ReplyTo::Refused, &asked),
        (ReplyTo::Verified, &handled),
        (ReplyTo::SentBack, &handled),
    ] {
        let may = |by: &str, config| {
            next(&case(Stage::Handled, life), &reply(to, by), now(), config).is_ok()
        };
        assert!(may("乙", strict), "{to:?}");
        assert!(!may("甲", strict) && !may(" 甲\n", strict), "{to:?}: the same person");
        assert!(!may("", strict) && !may("  ", strict), "{to:?}: nobody");
        assert!(may("甲", loose), "{to:?}");
    }
    let nobody = next(&case(Stage::Handled, &asked), &reply(ReplyTo::Granted, ""), now(), loose);
    assert!(nobody.is_err(), "whatever is configured, nobody grants nothing");
    // Nobody said that he handled it: then whoever looked may say that it is done.
    let life = Life::default();
    assert!(
        next(&case(Stage::Opened, &life), &reply(ReplyTo::Verified, "甲"), now(), strict).is_ok()
    );
    assert!(
        next(&case(Stage::Opened, &life), &reply(ReplyTo::AskWithdraw, " "), now(), strict)
            .is_err()
    );
}

#[test]
fn l10_one_person_under_two_names_is_one_who_neither_verifies_nor_grants() {
    let hours = Hours::Weekly { days: [true; 7], from: Time::midnight(), until: Time::midnight() };
    let shift = |(name, phone): (&str, &str)| Shift {
        who: OnDuty { role: DutyRole::Officer, name: name.into(), phone: Some(phone.into()) },
        areas: Vec::new(),
        hours: hours.clone(),
    };
    let list = [("王芳", "13800138000"), ("王警官", "+86 138 0013 8000"), ("李 A", "13800138001")];
    let shifts = list.into_iter().map(shift).collect();
    let persons = Persons::of(&Roster { shifts, zone: TimeZone::UTC });
    let config = Config::default();
    for (before, by, may) in [
        ("王芳", "王警官", false),
        ("王警官", "王 芳", false),
        ("李A", "ｌｉ", true),
        ("李 A", "李ａ", false),
        ("王芳", "李A", true),
        ("陈一", "陈　一", false),
        ("Chen Yi", "CHENYI", false),
        ("陈一", "陈二", true),
    ] {
        let mut handled = Life::default();
        handled.push(CaseStep::new(ReplyTo::Handled, before, now(), 3));
        let until = Some(now() + SignedDuration::from_hours(1));
        let asked = Asked { what: AskFor::Withdraw, by: before.into(), at: now(), until };
        let asked = Life { asked: Some(asked), ..Life::default() };
        for (to, life) in [
            (ReplyTo::Verified, &handled),
            (ReplyTo::SentBack, &handled),
            (ReplyTo::Granted, &asked),
            (ReplyTo::Refused, &asked),
        ] {
            let case = Case { persons: &persons, ..case(Stage::Handled, life) };
            let told = next(&case, &reply(to, by), now(), &config);
            assert_eq!(told.is_ok(), may, "{before} {to:?} {by}: {told:?}");
            if let Err(why) = told {
                let names = format!("{by} ({before} is the same person here) has");
                assert!(why.starts_with(&names), "{why}");
            }
        }
    }
}

fn by(to: ReplyTo, by: &str, (sender, names): (&str, &str)) -> Reply {
    let speaks_for = SpeaksFor::of(names.split(' ').map(str::to_owned));
    Reply { through: speaks_for.through(sender, by), ..reply(to, by) }
}

#[test]
fn l9_a_program_grants_and_verifies_in_the_names_that_it_speaks_for_alone() {
    let (asked, desk) = (asked(AskFor::Withdraw), ("token desk", "乙 城管*"));
    let mut handled = Life::default();
    handled.push(CaseStep::new(ReplyTo::Handled, "甲", now(), 3));
    for config in [
        Config::default(),
        Config { another_verifies: false, another_grants: false, ..Config::default() },
    ] {
        for (to, life) in [
            (ReplyTo::Granted, &asked),
            (ReplyTo::Refused, &asked),
            (ReplyTo::Verified, &handled),
            (ReplyTo::SentBack, &handled),
        ] {
            let told =
                |name| next(&case(Stage::Handled, life), &by(to, name, desk), now(), &config);
            for name in ["乙", " 乙\u{200b}", "城管", "城管 张三"] {
                assert!(told(name).is_ok(), "{to:?} {name}");
            }
            for name in ["丙", "乙二", "老城管"] {
                let why = told(name).unwrap_err();
                let said = format!("token desk does not speak for `{name}`: `");
                assert!(why.starts_with(&said) && why.contains("乙, 城管*"), "{why}");
            }
        }
    }
    // What changes nothing of who decides is taken, as claimed; and verifying is verifying from everywhere.
    let life = Life::default();
    for to in [ReplyTo::Accepted, ReplyTo::Handled, ReplyTo::Closed, ReplyTo::AskWithdraw] {
        let told =
            next(&case(Stage::Opened, &life), &by(to, "丙", desk), now(), &Config::default());
        assert!(told.is_ok(), "{to:?}: {told:?}");
    }
    let verified = by(ReplyTo::Verified, "丙", desk);
    assert!(next(&case(Stage::Opened, &life), &verified, now(), &Config::default()).is_err());
}

#[test]
fn what_a_program_did_in_a_name_that_is_not_its_own_it_neither_grants_nor_verifies() {
    let claimed =
        |to, through: Option<&str>| CaseStep::new(to, "丙", now(), 3).claimed_through(through);
    let strict = Config::default();
    let loose = Config { another_verifies: false, another_grants: false, ..Config::default() };
    for (step, to) in [
        (ReplyTo::Handled, ReplyTo::Verified),
        (ReplyTo::SelfHandled, ReplyTo::SentBack),
        (ReplyTo::AskWithdraw, ReplyTo::Granted),
        (ReplyTo::AskGiveBack, ReplyTo::Refused),
    ] {
        for (through, sender, may) in [
            (Some("token desk"), "token desk", false),
            (Some("token desk"), "token other", true),
            (Some("token other"), "token desk", true),
            (None, "token desk", true),
        ] {
            let mut life = Life::default();
            if matches!(to, ReplyTo::Granted | ReplyTo::Refused) {
                life.asked = self::asked(AskFor::Withdraw).asked;
                life.push(claimed(ReplyTo::AskExtend, Some("token old")));
            }
            life.push(claimed(step, through));
            let told = |config| {
                next(&case(Stage::Handled, &life), &by(to, "乙", (sender, "乙")), now(), config)
            };
            assert_eq!(told(&strict).is_ok(), may, "{to:?} {through:?} by {sender}");
            assert!(may || told(&strict).unwrap_err().contains("its own word twice"));
            assert!(told(&loose).is_ok(), "who did both is nobody's business there");
        }
    }
}

#[test]
fn time_is_asked_for_within_bounds_and_never_of_an_urgent_case() {
    let life = Life::default();
    let finish_by = now() + SignedDuration::from_hours(48);
    let ask = |to, severity: u8, tier, until: Option<i64>| {
        let severity = Severity::try_from(severity).unwrap();
        let finish_by = Some(finish_by);
        let case = Case { severity, tier: Some(tier), finish_by, ..case(Stage::Accepted, &life) };
        let until = until.map(|minutes| now() + SignedDuration::from_mins(minutes));
        let reply = Reply { until, ..reply(to, "x") };
        next(&case, &reply, now(), &Config::default())
    };
    let day = 24 * 60;
    let stays = Move { stage: Stage::Accepted, what: What::Asked, self_handled: false };
    for (to, least) in [(ReplyTo::AskExtend, 2 * day), (ReplyTo::AskSuspend, 0)] {
        assert_eq!(ask(to, 3, Tier::Slow, Some(least + 1)), Ok(stays));
        assert_eq!(ask(to, 3, Tier::Slow, Some(366 * day)), Ok(stays));
        assert!(ask(to, 3, Tier::Slow, Some(least)).is_err(), "not later");
        assert!(ask(to, 3, Tier::Slow, Some(366 * day + 1)).is_err(), "for ever");
        assert!(ask(to, 3, Tier::Slow, None).is_err(), "until when?");
        assert!(ask(to, 3, Tier::Slow, Some(-56 * 366 * day)).is_err(), "1970");
        assert!(ask(to, 1, Tier::Slow, Some(3 * day)).is_err(), "became an emergency");
        assert!(ask(to, 2, Tier::Urgent, Some(3 * day)).is_err());
    }
    let why = |life: &Life, to| {
        next(&case(Stage::Accepted, life), &reply(to, "乙"), now(), &Config::default()).unwrap_err()
    };
    assert!(why(&asked(AskFor::Extend), ReplyTo::AskWithdraw).contains("甲 has asked already"));
    let suspended = Life { suspended: Some((now(), now())), ..Life::default() };
    assert!(why(&suspended, ReplyTo::AskExtend).contains("resumed first"));
    let mut late = asked(AskFor::Suspend);
    late.asked.as_mut().unwrap().until = Some(now());
    assert!(why(&late, ReplyTo::Granted).contains("has passed"));
    assert_eq!(why(&life, ReplyTo::Granted), "nothing is asked of it");
    let bare = Reply::new(IncidentId::new(), ReplyTo::Transferred, "x");
    let found = next(&case(Stage::Accepted, &life), &bare, now(), &Config::default());
    assert_eq!(found.unwrap_err(), "`transferred` needs a `department`");
}

/// City seed 3920332816037978441: an ideographic space and U+0000 granted a suspension.
#[test]
fn who_shows_no_name_neither_asks_nor_grants_nor_verifies() {
    let (suspend, handled) = (asked(AskFor::Suspend), Life::default());
    let config = Config::default();
    for nobody in ["", "  ", "\u{3000}\0", "\u{200b}", "\u{feff}\u{202e}"] {
        for (stage, life, to) in [
            (Stage::Dispatched, &suspend, ReplyTo::Granted),
            (Stage::Dispatched, &suspend, ReplyTo::Refused),
            (Stage::Dispatched, &handled, ReplyTo::AskSuspend),
            (Stage::Handled, &handled, ReplyTo::Verified),
            (Stage::Handled, &handled, ReplyTo::SentBack),
        ] {
            let told = next(&case(stage, life), &reply(to, nobody), now(), &config);
            assert!(told.is_err_and(|why| why.contains("`by` is empty")), "{to:?} by {nobody:?}");
            assert!(next(&case(stage, life), &reply(to, "乙"), now(), &config).is_ok(), "{to:?}");
        }
    }
}
