//! The other ends: whether each sink answers, and each broker takes us in.

use std::{collections::BTreeMap, time::Duration};

use super::{
    diagnosis::{Diagnosis, Gravity},
    probe::Probe,
};
use crate::{
    base::RealClock,
    domain::{Clock, SinkId},
    sinks::{self, SinkAnswer},
    sources::mqtt,
};

/// Beyond the time that a section gives its other end, capped.
const SPARE: Duration = Duration::from_secs(5);
const ANSWER_MAX: Duration = Duration::from_secs(15);
/// A web server's `Date` has whole seconds, and the answer was on its way.
const CLOCKS_APART_S_MAX: f64 = 5.0;

/// One question for each sink; `pending` is what the running gateway owes it.
pub(super) fn sinks(all: &[sinks::Config], pending: &BTreeMap<SinkId, u64>) -> Vec<Probe> {
    let one = |sink: &sinks::Config| {
        let (sink, id) = (sink.clone(), sink.id());
        let owed = pending.get(&id).copied();
        let asked = id.clone();
        let ask = move || {
            let answer = within_runtime(async {
                let late = Err(format!("no answer within {ANSWER_MAX:?}"));
                tokio::time::timeout(ANSWER_MAX, sink.probe()).await.unwrap_or(late)
            });
            let now = RealClock::start().now().wall;
            let apart = |answer: &SinkAnswer| {
                let its = answer.its_clock?;
                Some(its.duration_since(now).as_secs_f64())
            };
            let apart = answer.as_ref().ok().and_then(apart);
            vec![sink_told((asked.as_str(), &sink.shown_address()), answer, apart, owed)]
        };
        Probe { of: ("sink", id.to_string()), within: ANSWER_MAX + SPARE, ask: Box::new(ask) }
    };
    all.iter().map(one).collect()
}

/// And one for each broker that devices report to.
pub(super) fn brokers(all: &[mqtt::Config]) -> Vec<Probe> {
    let one = |broker: &mqtt::Config| {
        let broker = broker.clone();
        let id = broker.id.clone();
        let ask = move || {
            let answer = within_runtime(broker.probe(ANSWER_MAX));
            let of = ("broker", broker.id.as_str());
            vec![match answer {
                Ok(()) => {
                    Diagnosis::new(of, Gravity::Fine, "消息代理接受连接", "the broker takes us in")
                }
                Err(reason) => {
                    let zh = format!("连不上消息代理：{reason}");
                    let away = Diagnosis::new(
                        of,
                        Gravity::Bad,
                        zh,
                        format!("cannot be reached: {reason}"),
                    );
                    away.advise(
                        "查网络、地址、用户名和密码文件；经它上报的按钮和测站现在收不到",
                        "check the network, the address, user and password file; devices behind it are not heard now",
                    )
                }
            }]
        };
        Probe { of: ("broker", id), within: ANSWER_MAX + SPARE, ask: Box::new(ask) }
    };
    all.iter().map(one).collect()
}

/// A runtime of its own: a name that is still being resolved is not waited for.
pub(super) fn within_runtime<T>(
    work: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done
}

fn sink_told(
    (id, address): (&str, &str),
    answer: Result<SinkAnswer, String>,
    apart_s: Option<f64>,
    owed: Option<u64>,
) -> Diagnosis {
    let of = ("sink", id);
    let waiting = owed.filter(|owed| *owed > 0);
    let (owed_zh, owed_en) = match waiting {
        Some(owed) => (format!("；还有 {owed} 条没送到"), format!("; {owed} records wait for it")),
        None => Default::default(),
    };
    let told = match answer {
        Err(reason) => Diagnosis::new(
            of,
            Gravity::Bad,
            format!("连不上 {address}：{reason}{owed_zh}"),
            format!("{address} cannot be reached: {reason}{owed_en}"),
        )
        .advise(
            "查网络、地址和证书；事件都在本机，通了会自动补送",
            "check network, address and certificates; nothing is lost: what waits is sent when it answers",
        ),
        Ok(answer) => {
            let says = &answer.says;
            let health = match (answer.refuses_us, answer.fails) {
                (false, false) => Gravity::Fine,
                _ => Gravity::Bad,
            };
            let zh = format!("{address} 有回应：{says}{owed_zh}");
            let told = Diagnosis::new(of, health, zh, format!("{address} answers: {says}{owed_en}"));
            match (answer.refuses_us, answer.fails) {
                (true, _) => told.advise("它不认我们的令牌：换 token_file", "it does not take our token: renew token_file"),
                (_, true) => told.advise("是对方的故障：请平台方处理", "a fault at the other end: tell its owner"),
                _ => told,
            }
        }
    };
    let told = match owed {
        Some(owed) => told.fact("pending_records", owed),
        None => told,
    };
    with_clock(told, apart_s)
}

/// Its clock beside ours: whichever is wrong, limits and times will not agree.
fn with_clock(mut told: Diagnosis, apart_s: Option<f64>) -> Diagnosis {
    let Some(apart) = apart_s else { return told };
    if apart.abs() > CLOCKS_APART_S_MAX {
        told.health = told.health.max(Gravity::Note);
        told.says.zh += &format!(
            "；它的时钟比本机{} {:.0} 秒",
            if apart > 0.0 { "快" } else { "慢" },
            apart.abs()
        );
        told.says.en += &format!("; its clock is {apart:+.0} s from ours");
        if told.advice.is_none() {
            told = told.advise(
                "先查本机时间（timedatectl），再问对方",
                "check the time of this box (timedatectl), then ask the other end",
            );
        }
    }
    told.fact("clock_offset_s", (apart * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(refuses_us: bool, fails: bool) -> Result<SinkAnswer, String> {
        Ok(SinkAnswer { says: "HTTP 204".into(), refuses_us, fails, its_clock: None })
    }

    #[test]
    fn a_sink_is_bad_where_nothing_would_get_through_and_says_what_to_do() {
        let told = |answer, apart| sink_told(("city", "https://h/"), answer, apart, Some(3));
        let fine = told(answer(false, false), None);
        assert_eq!((fine.health, &fine.advice), (Gravity::Fine, &None));
        assert_eq!(fine.facts["pending_records"], 3);
        for bad in [
            told(answer(true, false), None),
            told(answer(false, true), None),
            told(Err("x".into()), None),
        ] {
            assert_eq!(bad.health, Gravity::Bad);
            assert!(bad.advice.is_some());
        }
    }

    #[test]
    fn a_clock_is_told_of_beyond_five_seconds_either_way() {
        let health = |apart| sink_told(("a", ""), answer(false, false), Some(apart), None).health;
        assert_eq!([4.9, -4.9, 0.0].map(health), [Gravity::Fine; 3]);
        assert_eq!([5.1, -5.1, 3600.0].map(health), [Gravity::Note; 3]);
        let slow = sink_told(("a", ""), answer(false, false), Some(-60.0), None);
        assert!(slow.says.zh.contains("慢 60 秒"), "{:?}", slow.says);
    }
}
