//! Proposals on made tracks whose truth is known.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use uuid::Uuid;

use super::{JudgedCase, Proposal, RuleAdvice, Study, Verdict, rule_figures, wanted};
use crate::{
    domain::{Bbox, CaseLine, IncidentId, KeptLook, SourceId, Track},
    rules::{Config, Masks},
};

/// Everybody who was seen by camera `a`, and what persons made of it.
#[derive(Clone, Default)]
struct World {
    cases: Vec<JudgedCase>,
    looks: BTreeMap<SourceId, Vec<KeptLook>>,
    masks: BTreeMap<SourceId, Masks>,
    next: u64,
}

/// Somebody: from where to where his feet go within eight seconds, how tall, how sure the model is.
#[derive(Clone, Copy)]
struct Walk {
    from: (f32, f32),
    to: (f32, f32),
    height: f32,
    score: f32,
    seconds: i64,
}

const WALK: Walk = Walk { from: (0.5, 0.7), to: (0.8, 0.7), height: 0.3, score: 0.7, seconds: 8 };
/// A dog that sits where it always sits.
const DOG: Walk = Walk { from: (0.2, 0.8), to: (0.22, 0.81), height: 0.1, score: 0.62, seconds: 8 };

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

impl World {
    fn new() -> Self {
        Self { masks: BTreeMap::from([("a".into(), Masks::new())]), ..Self::default() }
    }

    /// Told by the rule at once.
    fn see(&mut self, rule: &str, opened_at: Timestamp, walk: Walk, verdict: Verdict) {
        self.next += 1;
        let looks = self.looks.entry("a".into()).or_default();
        let steps = walk.seconds * 5;
        for n in 0..=steps {
            let part = n as f32 / steps as f32;
            let foot = (
                walk.from.0 + (walk.to.0 - walk.from.0) * part,
                walk.from.1 + (walk.to.1 - walk.from.1) * part,
            );
            let bbox = Bbox::new(foot.0 - 0.04, foot.1 - walk.height, foot.0 + 0.04, foot.1);
            let at = opened_at + SignedDuration::from_millis(200 * n);
            let track = Track {
                id: self.next,
                label: "person".into(),
                score: walk.score,
                bbox,
                seen: true,
                since: at,
                origin: foot,
                shown_in_crop: false,
            };
            looks.push(KeptLook { at, tracks: vec![track] });
        }
        let ended = opened_at + SignedDuration::from_secs(walk.seconds);
        looks.push(KeptLook { at: ended + SignedDuration::from_millis(200), tracks: Vec::new() });
        looks.sort_by_key(|look| look.at);
        self.case(rule, opened_at, Some(ended), verdict);
    }

    fn case(
        &mut self,
        rule: &str,
        opened_at: Timestamp,
        ended_at: Option<Timestamp>,
        verdict: Verdict,
    ) {
        let id = IncidentId(Uuid::from_u128(self.cases.len() as u128 + 1));
        let (rule, camera) = (rule.into(), "a".into());
        self.cases.push(JudgedCase { id, rule, camera, opened_at, ended_at, verdict });
    }

    /// What was seen at one moment is one look.
    fn merge(&mut self) {
        for looks in self.looks.values_mut() {
            looks.dedup_by(|later, one| {
                let same = later.at == one.at;
                if same {
                    one.tracks.append(&mut later.tracks);
                }
                same
            });
        }
    }

    fn advice(&self, rules: &[Config]) -> RuleAdvice {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        Study::new(rules, &self.masks, &zone, &self.cases, &self.looks).advice(&rules[0])
    }
}

fn rule(more: &str) -> Config {
    toml::from_str(&format!("id = \"r\"\nkind = \"intrusion\"\ncameras = [\"a\"]\n{more}")).unwrap()
}

fn of<'a>(advice: &'a RuleAdvice, key: &str) -> Option<&'a Proposal> {
    advice.proposals.iter().find(|one| one.key == key)
}

/// (saved, of, lost, of)
fn sums(proposal: &Proposal) -> (u32, u32, u32, u32) {
    let tried = &proposal.tried;
    (tried.saved, tried.false_alarms, tried.lost, tried.real)
}

fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

/// Six times the dog, four times a person, all around noon.
fn dogs_and_people() -> World {
    let (mut world, noon) = (World::new(), at("2026-11-28T12:00:00+08:00"));
    for n in 0..6 {
        world.see("r", noon + minutes(n * 20), DOG, Verdict::FalseAlarm);
    }
    for n in 0..4 {
        world.see("r", noon + minutes(n * 20 + 10), WALK, Verdict::Real);
    }
    world
}

#[test]
fn t1_a_dog_at_its_spot_is_masked_and_nobody_real_is_lost() {
    let world = dogs_and_people();
    let advice = world.advice(&[rule("")]);
    let mask = of(&advice, "mask").unwrap();
    assert_eq!(sums(mask), (6, 6, 0, 4));
    assert_eq!((mask.section, mask.item.as_str()), ("camera", "a"));
    let masks: Masks = serde_json::from_value(mask.to.clone()).unwrap();
    assert_eq!(masks.len(), 1);
    let (xs, ys): (Vec<f32>, Vec<f32>) = masks[0].iter().map(|p| (p[0], p[1])).unzip();
    let within =
        |all: &[f32], least: f32, most: f32| all.iter().all(|v| (least..=most).contains(v));
    assert!(within(&xs, 0.15, 0.3) && within(&ys, 0.75, 0.87), "{masks:?}");
    // So do thresholds between the two; the least of them is proposed.
    let score = of(&advice, "min_score").unwrap();
    assert_eq!((sums(score), score.to.as_f64()), ((6, 6, 0, 4), Some(0.65)));
    let size = of(&advice, "min_size").unwrap();
    assert_eq!((sums(size), size.to.as_f64()), ((6, 6, 0, 4), Some(0.01)));
    assert!(of(&advice, "schedule").is_none(), "the same hours");
    // Applied, the mask leaves nothing of the dog, and all of the people.
    let mut masked = world.clone();
    masked.masks.insert("a".into(), masks);
    let after = masked.advice(&[rule("")]);
    assert!(after.proposals.is_empty(), "{after:?}");
    assert!(after.why_not.unwrap().contains("无法重现"));
}

#[test]
fn t1_a_flag_at_night_is_met_by_hours() {
    let mut world = World::new();
    let night = at("2026-11-27T01:10:00+08:00");
    for n in 0..8 {
        world.see("r", night + minutes(n * 20), WALK, Verdict::FalseAlarm);
    }
    for n in 0..5 {
        world.see("r", night + minutes(600 + n * 20), WALK, Verdict::Real);
    }
    let advice = world.advice(&[rule("")]);
    let schedule = of(&advice, "schedule").unwrap();
    assert_eq!(schedule.to, serde_json::json!(["Mon-Sun 04:00-01:00"]));
    assert_eq!(sums(schedule), (8, 8, 0, 5));
    assert!(crate::domain::Schedule::parse(&["Mon-Sun 04:00-01:00".into()]).is_ok());
    // All look alike: no threshold and no mask is for free, and none is proposed.
    assert_eq!(advice.proposals.len(), 1, "{advice:?}");
    // One that has hours already is for a person to change.
    let advice = world.advice(&[rule("schedule = [\"Mon-Sun 00:00-24:00\"]\n")]);
    assert!(advice.proposals.is_empty() && advice.why_not.unwrap().contains("已有时间表"));
}

#[test]
fn t2_what_it_costs_is_said_and_a_loss_without_need_is_not_proposed() {
    let mut world = dogs_and_people();
    // A child at the dog's spot, as small and as weakly seen: nothing is for free any more.
    world.see("r", at("2026-11-28T20:00:00+08:00"), DOG, Verdict::Real);
    let advice = world.advice(&[rule("")]);
    for key in ["mask", "min_score", "min_size"] {
        assert_eq!(sums(of(&advice, key).unwrap()), (6, 6, 1, 5), "{key}");
    }
    // One that loses more than one in five is none.
    world.see("r", at("2026-11-28T20:20:00+08:00"), DOG, Verdict::Real);
    let left = world.advice(&[rule("")]);
    assert!(left.proposals.is_empty(), "{left:?}");
    // What was dismissed otherwise may have been real, and is told apart.
    let mut world = dogs_and_people();
    world.see("r", at("2026-11-28T20:00:00+08:00"), DOG, Verdict::Other);
    let advice = world.advice(&[rule("")]);
    let tried = of(&advice, "mask").unwrap().tried;
    assert_eq!((tried.others, tried.others_lost, tried.lost), (1, 1, 0));
}

#[test]
fn t2_who_would_be_missed_is_missed_though_somebody_else_is_told_beside_him() {
    let (mut world, noon) = (World::new(), at("2026-11-28T12:00:00+08:00"));
    let weak = Walk { score: 0.6, ..WALK };
    for n in 0..5 {
        world.see("r", noon + minutes(n * 20), weak, Verdict::FalseAlarm);
    }
    // Another one comes four seconds later, elsewhere, and is seen well: that is not he.
    let both = noon + minutes(200);
    let (from, to) = ((0.1, 0.9), (0.2, 0.9));
    world.see("r", both, weak, Verdict::Real);
    world.see("r", both + SignedDuration::from_secs(4), Walk { from, to, ..WALK }, Verdict::Other);
    world.merge();
    let score = world.advice(&[rule("")]);
    assert_eq!(sums(of(&score, "min_score").unwrap()), (5, 5, 1, 1));
}

#[test]
fn t2_a_mask_answers_for_every_rule_of_its_camera() {
    let mut world = dogs_and_people();
    let other = Config { id: "s".into(), ..rule("") };
    for n in 0..2 {
        world.see("s", at("2026-11-28T21:00:00+08:00") + minutes(n * 20), DOG, Verdict::Real);
    }
    let advice = world.advice(&[rule(""), other]);
    assert!(of(&advice, "mask").is_none(), "it would have lost two of the other rule");
    assert_eq!(sums(of(&advice, "min_score").unwrap()), (6, 6, 0, 4), "which has its own score");
}

#[test]
fn t2_who_would_be_raised_later_is_kept_and_it_is_said_how_much_later() {
    let (mut world, noon) = (World::new(), at("2026-11-28T12:00:00+08:00"));
    for n in 0..4 {
        let short = Walk { seconds: 2, ..WALK };
        world.see("r", noon + minutes(n * 20), short, Verdict::FalseAlarm);
        let long = Walk { seconds: 30, ..WALK };
        world.see("r", noon + minutes(n * 20 + 10), long, Verdict::Real);
    }
    let advice = world.advice(&[rule("")]);
    let dwell = of(&advice, "dwell_s").unwrap();
    assert_eq!((sums(dwell), dwell.to.as_f64()), ((4, 4, 0, 4), Some(3.0)));
    assert_eq!(dwell.tried.later_s, 3.0);
}

#[test]
fn t3_nothing_is_proposed_where_nothing_is_known_and_it_is_said_why() {
    let why = |world: &World, rule: Config| {
        let advice = world.advice(&[rule]);
        assert!(advice.proposals.is_empty(), "{advice:?}");
        advice.why_not.unwrap()
    };
    assert!(why(&World::new(), rule("")).contains("还没有已判定的事件"));
    let mut world = World::new();
    world.see("r", at("2026-11-28T12:00:00+08:00"), DOG, Verdict::FalseAlarm);
    assert!(why(&world, rule("")).contains("只有 1 件"));
    // Duplicates and the like teach nothing.
    let mut world = World::new();
    for n in 0..9 {
        world.see("r", at("2026-11-28T12:00:00+08:00") + minutes(n * 20), DOG, Verdict::Other);
    }
    assert!(why(&world, rule("")).contains("还没有已判定的事件"));
    // Never an emergency, whichever posture makes it one.
    let world = dogs_and_people();
    for more in ["severity = 1\n", "flood_severity = 1\n", "key_period_severity = 1\n"] {
        assert!(why(&world, rule(more)).contains("紧急"), "{more}");
    }
    let mut gone = dogs_and_people();
    gone.looks.clear();
    assert!(why(&gone, rule("")).contains("轨迹已删除"));
}

#[test]
fn t3_cases_whose_tracks_are_gone_are_counted_apart() {
    let mut world = dogs_and_people();
    for n in 0..3 {
        let at = at("2026-11-10T12:00:00+08:00") + minutes(n * 20);
        world.case("r", at, None, Verdict::FalseAlarm);
        world.case("r", at + minutes(5), None, Verdict::Real);
    }
    let advice = world.advice(&[rule("")]);
    let tried = of(&advice, "mask").unwrap().tried;
    assert_eq!((tried.saved, tried.false_alarms, tried.untold, tried.untold_real), (6, 6, 6, 3));
    // Tracks that do not show it: another configuration raised it.
    let mut other = dogs_and_people();
    let weak = Walk { score: 0.4, ..WALK };
    other.see("r", at("2026-11-28T20:00:00+08:00"), weak, Verdict::Real);
    let tried = of(&other.advice(&[rule("")]), "mask").unwrap().tried;
    assert_eq!((tried.real, tried.untold_real), (4, 1));
}

#[test]
fn t3_the_same_cases_give_the_same_proposals_in_whatever_order() {
    let mut random = StdRng::seed_from_u64(crate::domain::seed());
    let mut world = dogs_and_people();
    let expected = world.advice(&[rule("")]);
    for _ in 0..5 {
        world.cases.shuffle(&mut random);
        assert_eq!(world.advice(&[rule("")]), expected);
    }
    let spans = wanted(&[rule("")], &world.cases);
    let spans = &spans[&"a".into()];
    assert!(spans.is_sorted() && spans.windows(2).all(|two| two[0].1 < two[1].0));
}

/// By hand: a thing is told where one look shows it with the score.
#[test]
fn t2_scores_at_random_save_and_cost_what_a_count_by_hand_says() {
    let mut random = StdRng::seed_from_u64(crate::domain::seed());
    for round in 0..20 {
        let (mut world, begin) = (World::new(), at("2026-11-25T00:00:00+08:00"));
        let mut scores = Vec::new();
        for n in 0..random.random_range(8..20) {
            let verdict = if random.random_bool(0.6) { Verdict::FalseAlarm } else { Verdict::Real };
            let least = if verdict == Verdict::Real { 60 } else { 50 };
            let score = random.random_range(least..98) as f32 / 100.0 + 0.003;
            scores.push((verdict, score));
            world.see("r", begin + minutes(n * 20), Walk { score, ..WALK }, verdict);
        }
        let advice = world.advice(&[rule("")]);
        let count = |verdict: Verdict, to: f32| {
            scores.iter().filter(|(one, score)| *one == verdict && *score < to).count() as u32
        };
        // The least threshold that saves most and loses nobody.
        let free = (11..20).map(|n| n as f32 * 0.05).filter(|to| count(Verdict::Real, *to) == 0);
        let most = free.clone().map(|to| count(Verdict::FalseAlarm, to)).max().unwrap_or(0);
        let least = free.clone().find(|to| count(Verdict::FalseAlarm, *to) == most);
        let found = of(&advice, "min_score");
        if most < 3 {
            assert!(found.is_none_or(|one| one.tried.lost > 0), "{round}: {found:?} {scores:?}");
            continue;
        }
        let found = found.unwrap_or_else(|| panic!("{round}: {scores:?}"));
        let to = found.to.as_f64().unwrap() as f32;
        assert!((to - least.unwrap()).abs() < 0.001, "{round}: {found:?} {scores:?}");
        assert_eq!((found.tried.saved, found.tried.lost), (most, 0), "{round}: {scores:?}");
    }
}

#[test]
fn t1_no_mask_where_another_rule_of_the_camera_raises_emergencies() {
    let world = dogs_and_people();
    let other = |more: &str| {
        let text = format!("id = \"s\"\nkind = \"intrusion\"\ncameras = [\"a\"]\n{more}");
        toml::from_str::<Config>(&text).unwrap()
    };
    for more in ["severity = 1\n", "flood_severity = 1\n", "key_period_severity = 1\n"] {
        let advice = world.advice(&[rule(""), other(more)]);
        assert!(of(&advice, "mask").is_none(), "{more}");
        assert!(advice.why_not.unwrap().contains("a（s）"), "{more}");
    }
    // Another one is named, and that nothing of it could be tried.
    let advice = world.advice(&[rule(""), other("")]);
    let beside = &of(&advice, "mask").unwrap().beside;
    assert_eq!(beside.iter().collect::<Vec<_>>(), [(&"s".into(), &0)]);
    let elsewhere = Config { cameras: vec!["b".into()], ..other("severity = 1\n") };
    assert!(of(&world.advice(&[rule(""), elsewhere]), "mask").unwrap().beside.is_empty());
}

/// Somebody who stands still: told after the dwell, and there for so long.
fn stand(world: &mut World, begin: Timestamp, seconds: i64, known_until_s: i64, verdict: Verdict) {
    let still = Walk { from: (0.5, 0.7), to: (0.5, 0.7), seconds, ..WALK };
    world.see("r", begin, still, verdict);
    let looks = world.looks.get_mut(&SourceId::from("a")).unwrap();
    let cut = begin + SignedDuration::from_secs(known_until_s);
    let end = begin + SignedDuration::from_secs(seconds + 1);
    looks.retain(|look| look.at <= cut || look.at > end);
    world.cases.last_mut().unwrap().opened_at = begin + SignedDuration::from_secs(60);
}

#[test]
fn t3_who_would_be_told_of_later_than_the_tracks_go_is_not_counted_as_saved() {
    let begin = at("2026-11-20T00:00:00+08:00");
    let loiter = || {
        let text = "id = \"r\"\nkind = \"loiter\"\ncameras = [\"a\"]\ndwell_s = 60\n";
        toml::from_str::<Config>(text).unwrap()
    };
    let dwell = |long_s: i64, known_s: i64| {
        let mut world = World::new();
        for n in 0..4 {
            stand(&mut world, begin + minutes(n * 60), 100, 3_600, Verdict::FalseAlarm);
            stand(&mut world, begin + minutes(n * 60 + 30), long_s, known_s, Verdict::Real);
        }
        of(&world.advice(&[loiter()]), "dwell_s").cloned()
    };
    // Real ones stay for a quarter of an hour: the window goes on for as long as the longest dwell.
    let found = dwell(860, 3_600).unwrap();
    assert_eq!((sums(&found), found.to.as_f64()), ((4, 4, 0, 4), Some(120.0)));
    assert_eq!(found.tried.untold, 0);
    // Where tracks end while they stand there, nobody knows: neither kept nor lost.
    let found = dwell(860, 90).unwrap();
    assert_eq!((found.tried.lost, found.tried.real, found.tried.untold_real), (0, 0, 4));
}

#[test]
fn t3_more_looks_than_can_be_tried_cost_the_oldest_cases_and_it_is_said() {
    let mut world = dogs_and_people();
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let rules = [rule("")];
    world.cases.reverse();
    let mut study = Study::new(&rules, &world.masks, &zone, &world.cases, &world.looks);
    let all: Vec<usize> = study.trial.bases.iter().map(|basis| basis.looks.len()).collect();
    assert_eq!(all.len(), 10);
    study.trial.thin(all[..7].iter().sum());
    let kept: Vec<Timestamp> = study.trial.bases.iter().map(|basis| basis.case.opened_at).collect();
    assert_eq!(kept.len(), 7);
    let newest = world.cases.iter().map(|case| case.opened_at).max().unwrap();
    assert!(kept[0] == newest && kept.is_sorted_by(|a, b| a >= b));
    let (untold, _) = study.untold(|_| true);
    assert_eq!(untold, 3);
}

#[test]
fn t1_a_case_that_was_taken_on_and_then_merged_was_real() {
    let line = |stage: &str, more: &str| -> CaseLine {
        let at = "2026-11-28T04:00:00Z";
        serde_json::from_str(&format!(
            "{{\"id\":\"0190a5c6-0000-7000-8000-000000000001\",\"revision\":3,\"kind\":\"intrusion\",\"severity\":2,\"stage\":\"{stage}\",\"source\":\"a\",\"rule\":\"r\",\"began_at\":\"{at}\",\"opened_at\":\"{at}\"{more}}}"
        ))
        .unwrap()
    };
    let taken = ",\"accepted_at\":\"2026-11-28T04:01:00Z\"";
    let merged = ",\"merged\":true";
    let lines = [
        line("closed", &format!("{taken}{merged}")),
        line("closed", merged),
        line("closed", taken),
        line("dismissed", ""),
        line("opened", ""),
    ];
    let verdicts: Vec<Verdict> =
        lines.iter().map(|line| JudgedCase::of(line).unwrap().verdict).collect();
    use Verdict::{Other, Real};
    assert_eq!(verdicts, [Real, Other, Real, Other, Other]);
    let total = &rule_figures(["r"], &lines, 1.0)[0].total;
    assert_eq!(
        (total.opened, total.accepted, total.merged, total.dismissed, total.undecided),
        (5, 2, 1, 1, 1)
    );
    assert_eq!(total.precision, Some(0.6667));
}
