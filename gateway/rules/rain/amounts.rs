//! Amounts of rain in periods, which overlap as they like, become pieces that do not.
//!
//! The shortest say best when it fell, and what a longer one says beyond them lies in its gaps: so an
//! hour's amount beside that of its last 5 min counts once and whole, in whatever order they come.

use jiff::{SignedDuration, Timestamp};

use super::{
    fallen::{Fallen, share},
    limits::{Belief, Doubt, Scale, amount},
};

/// So many doubtful amounts within [`AGREE_WITHIN`] confirm each other.
const AGREE: usize = 3;
const AGREE_WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// What amounts come to.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// By time, none over another.
    pub(super) pieces: Vec<Fallen>,
    pub(super) doubts: Vec<Doubt>,
    /// Doubtful, and not confirmed yet; not among the pieces.
    pub(super) held: Vec<Fallen>,
}

/// `amounts` in any order.
pub(super) fn pieces(amounts: &[Fallen], scale: Scale) -> Pieces {
    let mut found = Pieces::default();
    let mut believed = Vec::with_capacity(amounts.len());
    for one in amounts.iter().filter(|one| one.from < one.to) {
        match scale.belief(one.from, one.to, one.um) {
            Belief::Sure => believed.push(*one),
            Belief::Doubtful => found.held.push(*one),
            Belief::Impossible => {
                let said = amount(one.um, one.from, one.to);
                let why = format!("{said}: more than any rain, not counted");
                found.doubts.push(Doubt { at: one.to, why, doubtful: true });
            }
        }
    }
    confirm(&mut found, &mut believed);
    let length = |one: &Fallen| one.to.duration_since(one.from);
    believed.sort_by_key(|one| (length(one), one.to, one.um));
    for same in believed.chunk_by(|a, b| length(a) == length(b)) {
        add_same_length(&mut found.pieces, same);
    }
    found
}

/// Doubtful amounts that agree are believed; of the others it is told.
fn confirm(found: &mut Pieces, believed: &mut Vec<Fallen>) {
    found.held.sort_by_key(|one| (one.to, one.um));
    let times: Vec<Timestamp> = found.held.iter().map(|one| one.to).collect();
    // One pass: a window of the hour that each of them begins. Up to where they agree, if they do.
    let mut agrees = vec![false; times.len()];
    let (mut until, mut marked) = (0, 0);
    for (first, since) in times.iter().enumerate() {
        let within = |at: &Timestamp| at.duration_since(*since) <= AGREE_WITHIN;
        until += times[until..].iter().take_while(|at| within(at)).count();
        if until - first >= AGREE {
            let from = first.max(marked);
            agrees[from..until].fill(true);
            marked = until;
        }
    }
    for (one, agrees) in std::mem::take(&mut found.held).into_iter().zip(agrees) {
        if agrees {
            believed.push(one);
            continue;
        }
        let said = amount(one.um, one.from, one.to);
        let why =
            format!("{said}: doubtful, counted when two more readings or another gauge agree");
        found.doubts.push(Doubt { at: one.to, why, doubtful: true });
        found.held.push(one);
    }
}

/// Of amounts of one length those count that do not overlap, the earliest first; then what the others
/// say beyond them.
fn add_same_length(pieces: &mut Vec<Fallen>, same: &[Fallen]) {
    let (mut apart, mut across): (Vec<Fallen>, Vec<Fallen>) = (Vec::new(), Vec::new());
    for one in same {
        let fits = apart.last().is_none_or(|before| before.to <= one.from);
        if fits { apart.push(*one) } else { across.push(*one) }
    }
    for one in apart.iter().chain(&across) {
        add(pieces, one);
    }
}

fn add(pieces: &mut Vec<Fallen>, one: &Fallen) {
    let first = pieces.partition_point(|piece| piece.to <= one.from);
    let inside = pieces[first..].iter().take_while(|piece| piece.from < one.to);
    let (mut gaps, mut known, mut until, mut n) = (Vec::new(), 0, one.from, 0);
    for piece in inside {
        known += share(piece, one.from, one.to);
        if piece.from > until {
            gaps.push((until, piece.from));
        }
        until = until.max(piece.to);
        n += 1;
    }
    if until < one.to {
        gaps.push((until, one.to));
    }
    if n == 0 {
        return pieces.insert(first, *one);
    }
    let ms = |(from, to): &(Timestamp, Timestamp)| to.duration_since(*from).as_millis();
    let whole: i128 = gaps.iter().map(ms).sum();
    let mut left = (one.um - known).max(0);
    let more = left;
    let last = gaps.len();
    for (n, gap) in gaps.iter().enumerate() {
        let part = i64::try_from(i128::from(more) * ms(gap) / whole.max(1)).unwrap_or(0);
        let um = if n + 1 == last { left } else { part };
        left -= um;
        let at = pieces.partition_point(|piece| piece.to <= gap.0);
        pieces.insert(at, Fallen { from: gap.0, to: gap.1, um });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_782_864_000 + minute * 60).unwrap()
    }

    fn sum(amounts: &[(i64, i64, i64)]) -> (i64, usize) {
        let scale = Scale { tip_um: 200.0, wraps_at: None, most_um_per_min: 10_000 };
        let mut amounts: Vec<Fallen> = amounts
            .iter()
            .map(|(from, to, mm)| Fallen { from: at(*from), to: at(*to), um: mm * 1000 })
            .collect();
        let found = pieces(&amounts, scale);
        amounts.reverse();
        assert_eq!(found.pieces, pieces(&amounts, scale).pieces, "the order changes nothing");
        for pair in found.pieces.windows(2) {
            assert!(pair[0].to <= pair[1].from, "{:?}", found.pieces);
        }
        let sum = found.pieces.iter().map(|one| one.um).sum::<i64>() / 1000;
        (sum, found.held.len())
    }

    #[test]
    fn what_overlaps_counts_once_and_whole() {
        for (what, amounts, expected) in [
            ("an hour and its last 5 min", &[(0, 60, 30), (55, 60, 1)][..], 30),
            ("an hour and all its parts", &[(0, 60, 12), (0, 30, 10), (30, 60, 2)], 12),
            ("parts that say more", &[(0, 60, 5), (0, 30, 10), (30, 60, 2)], 12),
            ("3 h, each hour", &[(0, 180, 9), (60, 240, 12), (120, 300, 9)], 15),
            ("10 min, every 5", &[(0, 10, 2), (5, 15, 2), (10, 20, 2), (15, 25, 2)], 5),
            ("the same twice", &[(0, 5, 2), (0, 5, 2)], 2),
            ("one after the other", &[(0, 5, 2), (5, 10, 3), (10, 15, 4)], 9),
            ("nothing", &[(5, 5, 9)], 0),
        ] {
            assert_eq!(sum(amounts).0, expected, "{what}");
        }
    }

    #[test]
    fn three_doubtful_amounts_within_an_hour_confirm_each_other() {
        assert_eq!(sum(&[(0, 1, 20)]), (0, 1));
        assert_eq!(sum(&[(0, 1, 20), (5, 6, 20)]), (0, 2));
        assert_eq!(sum(&[(0, 1, 20), (5, 6, 20), (10, 11, 20)]), (60, 0));
        assert_eq!(sum(&[(0, 1, 20), (5, 6, 20), (100, 101, 20)]), (0, 3));
        assert_eq!(sum(&[(0, 1, 200)]), (0, 0), "no rain does that");
    }

    #[test]
    fn amounts_agree_to_the_end_of_the_hour_and_tens_of_thousands_are_judged_in_one_pass() {
        // 60 min apart is within the hour, 61 is not; each is in a window of three or in none.
        assert_eq!(sum(&[(0, 1, 20), (30, 31, 20), (60, 61, 20)]).1, 0);
        assert_eq!(sum(&[(0, 1, 20), (30, 31, 20), (61, 62, 20)]).1, 3);
        let chain: Vec<(i64, i64, i64)> = (0..7).map(|n| (n * 30, n * 30 + 1, 20)).collect();
        assert_eq!(sum(&chain).1, 0);
        let apart = [(0, 1, 20), (2, 3, 20), (4, 5, 20), (200, 201, 20), (290, 291, 20)];
        assert_eq!(sum(&apart), (60, 2));
        // Each against each would take hours.
        let many = 300_000;
        let one = |n| Fallen { from: at(n), to: at(n + 1), um: 20_000 };
        let mut found = Pieces { held: (0..many).map(one).collect(), ..Pieces::default() };
        let mut believed = Vec::new();
        confirm(&mut found, &mut believed);
        assert_eq!(believed.len(), usize::try_from(many).unwrap());
    }
}
