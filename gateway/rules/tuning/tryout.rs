//! What a rule would have raised of the tracks that were kept: the rule as it is, or as somebody draws it. Pure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde::Serialize;

use super::trial::{between, play};
use crate::{
    domain::{Finding, KeptLook, Phase, SourceId, TrackFrame},
    rules::{Config, Masks, watch::Watch},
};

/// So long before the first hour the rule begins to look, beyond its dwell: who stands there is known by then.
const BEFORE: SignedDuration = SignedDuration::from_secs(150);
/// Places of one incident that are told, at most.
const PLACES_MAX: usize = 8;

/// An incident that a rule would have raised.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Raised {
    /// First evidence of it, source time.
    pub began_at: Timestamp,
    /// When it would have been raised.
    pub at: Timestamp,
    /// When it would have been over; absent where the tracks end before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The most seen at once, by label.
    pub objects: BTreeMap<String, u32>,
    /// Where those stood who raised it, in 0..1 of the picture.
    pub places: Vec<[f32; 2]>,
    /// One sentence, English.
    pub why: String,
}

/// From when on tracks are needed for what a rule would have raised since `from`.
pub fn tryout_window(rule: &Config, from: Timestamp) -> Timestamp {
    let dwell = SignedDuration::from_millis(rule.dwell_ms());
    from.checked_sub(BEFORE + dwell).unwrap_or(from)
}

/// Everything that this rule would have raised on this camera from one time to another; `looks` sorted by
/// time, from [`tryout_window`] on. Same looks, same answer.
pub fn raised(
    rule: &Config,
    camera: &SourceId,
    masks: &Masks,
    zone: &TimeZone,
    looks: &[KeptLook],
    (from, until): (Timestamp, Timestamp),
) -> Vec<Raised> {
    let looks = between(looks, (tryout_window(rule, from), until));
    let mut watch = Watch::new(rule, camera.clone(), masks, zone.clone());
    let mut all: Vec<Raised> = Vec::new();
    play(&mut watch, looks, Some(until), &mut |at, frame, findings| {
        findings.iter().for_each(|finding| take(&mut all, at, frame, finding));
    });
    all.retain(|one| one.at >= from);
    all
}

fn take(all: &mut Vec<Raised>, at: Timestamp, frame: &TrackFrame, finding: &Finding) {
    // Who comes within the cool-down is told as part of the incident before, as the desk does.
    let resumes = finding.things.resumes && !all.is_empty();
    if finding.phase == Phase::Begins && !resumes {
        let stands = |thing: &u64| {
            let track = frame.tracks.iter().find(|track| track.id == *thing)?;
            let (x, y) = track.bbox.foot();
            Some([x, y])
        };
        all.push(Raised {
            began_at: finding.began_at,
            at,
            ended_at: None,
            objects: BTreeMap::new(),
            places: finding.things.news.iter().filter_map(stands).take(PLACES_MAX).collect(),
            why: finding.why.clone(),
        });
    }
    let Some(last) = all.last_mut() else { return };
    for object in &finding.objects {
        let most = last.objects.entry(object.label.clone()).or_default();
        *most = (*most).max(object.count);
    }
    last.ended_at = (finding.phase == Phase::Ends).then_some(finding.at);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Bbox, Track};

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(1_782_820_800 + second).unwrap()
    }

    /// Somebody walks there in these seconds (the last one without him), looked at once a second.
    fn looks(visits: &[(u64, i64, i64)]) -> Vec<KeptLook> {
        let mut looks = Vec::new();
        for (id, from, until) in visits {
            for at in *from..*until {
                // To and fro: who stands is another matter.
                let x = 0.03 * ((at - from) % 10) as f32;
                let bbox = Bbox::new(0.3 + x, 0.4, 0.5 + x, 0.8);
                let track = Track {
                    id: *id,
                    label: "person".into(),
                    score: 0.9,
                    bbox,
                    seen: true,
                    since: second(at),
                    origin: bbox.foot(),
                    shown_in_crop: false,
                };
                looks.push(KeptLook { at: second(at), tracks: vec![track] });
            }
            looks.push(KeptLook { at: second(*until), tracks: Vec::new() });
        }
        looks
    }

    fn told(more: &str, visits: &[(u64, i64, i64)], (from, until): (i64, i64)) -> Vec<Raised> {
        let rule: Config =
            toml::from_str(&format!("id = \"r\"\nkind = \"intrusion\"\nclear_s = 2\n{more}"))
                .unwrap();
        let times = (second(from), second(until));
        raised(&rule, &"a".into(), &Masks::new(), &TimeZone::UTC, &looks(visits), times)
    }

    #[test]
    fn each_visit_is_one_and_within_the_cool_down_it_goes_on() {
        let visits = [(1, 10, 20), (2, 30, 40), (3, 200, 210)];
        let each = told("cooldown_s = 0\n", &visits, (0, 600));
        let times: Vec<_> = each.iter().map(|one| (one.at, one.ended_at.is_some())).collect();
        assert_eq!(times, [(second(10), true), (second(30), true), (second(200), true)]);
        assert_eq!(each[0].objects, BTreeMap::from([("person".to_owned(), 1)]));
        let [[x, y]] = each[0].places[..] else { panic!("{each:?}") };
        assert!((x - 0.4).abs() < 1e-5 && (y - 0.8).abs() < 1e-5, "{x} {y}");
        // Thirty seconds after the end of the first one the second is part of it.
        let joined = told("cooldown_s = 60\n", &visits, (0, 600));
        assert_eq!(joined.iter().map(|one| one.at).collect::<Vec<_>>(), [second(10), second(200)]);
    }

    #[test]
    fn what_began_before_the_hours_is_none_of_theirs_and_what_goes_on_has_no_end() {
        let visits = [(1, 10, 100), (2, 300, 400)];
        let late = told("cooldown_s = 0\n", &visits, (50, 350));
        assert_eq!(late.len(), 1, "{late:?}");
        assert_eq!((late[0].at, late[0].ended_at), (second(300), None));
        let dwelt = told("cooldown_s = 0\ndwell_s = 60\n", &visits, (50, 600));
        let times: Vec<_> = dwelt.iter().map(|one| (one.began_at, one.at)).collect();
        assert_eq!(times, [(second(10), second(70)), (second(300), second(360))]);
        assert!(told("", &[], (0, 600)).is_empty());
    }
}
