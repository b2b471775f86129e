//! Questions to many parts at once, each with a bound in time: one that hangs costs itself only.

use std::{
    collections::VecDeque,
    sync::{Mutex, mpsc},
    thread,
    time::Duration,
};

use super::diagnosis::{Diagnosis, Gravity};
use crate::base::{lock, spawn};

/// Questions that are asked at the same time.
const PROBES_AT_ONCE: usize = 8;

/// One question.
pub(super) struct Probe {
    /// Part and id, for the answer when there is none.
    pub(super) of: (&'static str, String),
    /// Whoever has not answered by then is not waited for.
    pub(super) within: Duration,
    pub(super) ask: Box<dyn FnOnce() -> Vec<Diagnosis> + Send>,
}

/// All answers, in the order of the questions.
pub(super) fn ask_all(probes: Vec<Probe>) -> Vec<Diagnosis> {
    let count = probes.len();
    let waiting: Mutex<VecDeque<(usize, Probe)>> =
        Mutex::new(probes.into_iter().enumerate().collect());
    let answers: Mutex<Vec<Vec<Diagnosis>>> = Mutex::new(vec![Vec::new(); count]);
    thread::scope(|scope| {
        for _ in 0..PROBES_AT_ONCE.min(count) {
            scope.spawn(|| {
                loop {
                    let Some((index, probe)) = lock(&waiting).pop_front() else { return };
                    let answer = answer(probe);
                    if let Some(place) = lock(&answers).get_mut(index) {
                        *place = answer;
                    }
                }
            });
        }
    });
    let answers = std::mem::take(&mut *lock(&answers));
    answers.into_iter().flatten().collect()
}

fn answer(probe: Probe) -> Vec<Diagnosis> {
    let Probe { of: (part, id), within, ask } = probe;
    let (sender, answer) = mpsc::sync_channel(1);
    let none = |zh: String, en: String| {
        vec![Diagnosis::new((part, &id), Gravity::Bad, zh, en).fact("waited_s", within.as_secs())]
    };
    // It is left behind where it hangs, and ends with the process.
    let asked = spawn("doctor", move || drop(sender.send(ask())));
    if let Err(reason) = asked {
        return none(format!("无法检查：{reason}"), reason);
    }
    let seconds = within.as_secs();
    match answer.recv_timeout(within) {
        Ok(found) => found,
        Err(mpsc::RecvTimeoutError::Timeout) => none(
            format!("{seconds} 秒内没有回应，不再等"),
            format!("no answer within {seconds} s; not waited for any longer"),
        ),
        Err(mpsc::RecvTimeoutError::Disconnected) => none(
            "检查时程序内部出错".into(),
            "a fault inside the program while it was asked".into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn one_that_hangs_or_breaks_costs_itself_only() {
        let fine = |n: usize| Probe {
            of: ("sink", n.to_string()),
            within: Duration::from_secs(20),
            ask: Box::new(move || {
                vec![Diagnosis::new(("sink", &n.to_string()), Gravity::Fine, "好", "fine")]
            }),
        };
        let odd = |id: &str, ask: fn() -> Vec<Diagnosis>| Probe {
            of: ("camera", id.into()),
            within: Duration::from_millis(300),
            ask: Box::new(ask),
        };
        let hangs = || loop {
            thread::park();
        };
        // A fault inside may take its time to be printed.
        let breaks =
            Probe { within: Duration::from_secs(20), ..odd("breaks", || panic!("as asked")) };
        let mut probes = vec![odd("hangs", hangs), breaks];
        // More than are asked at once, and all hang: the last one has its turn.
        probes.extend((0..PROBES_AT_ONCE).map(|_| odd("hangs too", hangs)));
        probes.extend((0..20).map(fine));
        let began = Instant::now();
        let told = ask_all(probes);
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        assert_eq!(told.len(), 2 + PROBES_AT_ONCE + 20);
        let health: Vec<Gravity> = told.iter().map(|one| one.health).collect();
        assert!(health[..2 + PROBES_AT_ONCE].iter().all(|health| *health == Gravity::Bad));
        assert!(health[2 + PROBES_AT_ONCE..].iter().all(|health| *health == Gravity::Fine));
        assert!(told[0].says.en.contains("no answer") && told[1].says.en.contains("fault inside"));
        let ids: Vec<&str> =
            told.iter().skip(2 + PROBES_AT_ONCE).map(|one| one.id.as_str()).collect();
        assert_eq!(ids, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
    }
}
