//! Attackers, in a process of their own: each goes on for as long as it is told, against the doors of a gateway.
//!
//! They are played with blocking sockets and few threads, so that what is measured beside them is the
//! gateway and not they. Each holds at most [`CONNECTIONS_MAX`] connections; none of them ever waits for
//! an answer longer than [`PATIENCE`]. Where a gateway sends them away, they come back.

mod buttons;
mod doors;
mod station;
mod web;

pub(crate) use buttons::{Device, HUB, MAD, THIEF, connect, packet};

use std::{
    io,
    net::TcpStream,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Of one attacker at a door: a test's own process may open a thousand files.
const CONNECTIONS_MAX: usize = 250;
/// For an answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// How the process is told what to do: `name intake web sl651 broker milliseconds`.
const VARIABLE: &str = "GRIDPOST_ATTACK";

/// Ports of one gateway, all on loopback; `broker` is one that it listens to.
#[derive(Clone, Copy)]
pub(crate) struct Doors {
    pub(crate) intake: u16,
    pub(crate) web: u16,
    pub(crate) sl651: u16,
    pub(crate) broker: u16,
}

/// One way to be in the way of others.
pub(crate) struct Attack {
    /// In tables, and for `GRIDPOST_ATTACKS` of the bench.
    pub(crate) name: &'static str,
    run: fn(&Doors, Instant),
}

/// All of them. What a stage must have for them stands at [`super::stage`].
pub(crate) const ATTACKS: &[Attack] = &[
    Attack { name: "refused emergencies", run: buttons::refused },
    Attack { name: "invented buttons", run: buttons::invented },
    Attack { name: "a flapping lid", run: buttons::flapping },
    Attack { name: "presses in others' names", run: buttons::claims },
    Attack { name: "taken-over names", run: buttons::takeover },
    Attack { name: "unreadable messages", run: buttons::unreadable },
    Attack { name: "messages of a MiB", run: buttons::too_large },
    Attack { name: "large lists at a broker", run: buttons::large_at_a_broker },
    Attack { name: "mute connections", run: doors::mute },
    Attack { name: "half CONNECTs", run: doors::half_connects },
    Attack { name: "strangers who stay", run: doors::stay },
    Attack { name: "garbage at each door", run: doors::garbage },
    Attack { name: "half heads and bodies", run: web::slow },
    Attack { name: "large bodies", run: web::large_bodies },
    Attack { name: "wrong tokens", run: web::wrong_tokens },
    Attack { name: "sixteen on /metrics", run: web::hammer },
    Attack { name: "heads of stations", run: station::heads },
    Attack { name: "parts of reports", run: station::parts },
];

/// In an attacker's process, attacks and ends it; in any other, nothing.
pub(crate) fn run_if_asked() {
    let Ok(asked) = std::env::var(VARIABLE) else { return };
    let (name, numbers) = asked.split_once('\t').expect("a name and numbers");
    let numbers: Vec<u64> = numbers.split(' ').map(|number| number.parse().unwrap()).collect();
    let port = |n: usize| u16::try_from(numbers[n]).unwrap();
    let doors = Doors { intake: port(0), web: port(1), sl651: port(2), broker: port(3) };
    let until = Instant::now() + Duration::from_millis(numbers[4]);
    let attack = ATTACKS.iter().find(|attack| attack.name == name).expect("an attack");
    (attack.run)(&doors, until);
    std::process::exit(0);
}

/// A process that attacks. It ends with this value, or after its time.
pub(crate) struct Attacker(Child);

impl Attacker {
    /// `gentle`: at nice 19 on the last core alone, as an attacker on another machine takes none of ours.
    pub(crate) fn start(attack: &Attack, doors: Doors, lasts: Duration, gentle: bool) -> Self {
        let exe = std::env::current_exe().unwrap();
        let mut command = if gentle {
            let last = thread::available_parallelism().map_or(1, usize::from) - 1;
            let mut command = Command::new("nice");
            command.args(["-n", "19", "taskset", "-c", &last.to_string()]).arg(exe);
            command
        } else {
            Command::new(exe)
        };
        let Doors { intake, web, sl651, broker } = doors;
        let name = attack.name;
        let asked = format!("{name}\t{intake} {web} {sl651} {broker} {}", lasts.as_millis());
        // As libtest reads it; a bench looks at the variable first.
        let test = format!("{}::tests::{PROCESS}", module_path!().split_once("::").unwrap().1);
        let child = command
            .args(["--exact", &test, "--nocapture"])
            .env(VARIABLE, asked)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// Waits for its end; whether it did what it was told.
    pub(crate) fn ended_well(&mut self) -> bool {
        self.0.wait().is_ok_and(|status| status.success())
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The name of the test by which an attacker's process begins.
const PROCESS: &str = "every_attack_can_be_made_and_has_a_name_of_its_own";

fn dial(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// The same by so many threads, each again and again until it is time; what fails is tried again.
fn by(threads: usize, until: Instant, once: impl Fn(usize) -> io::Result<()> + Sync) {
    thread::scope(|scope| {
        for n in 0..threads {
            let once = &once;
            scope.spawn(move || {
                while Instant::now() < until {
                    if once(n).is_err() {
                        thread::sleep(Duration::from_millis(5));
                    }
                }
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_attack_can_be_made_and_has_a_name_of_its_own() {
        run_if_asked();
        let names: BTreeSet<&str> = ATTACKS.iter().map(|attack| attack.name).collect();
        assert_eq!(names.len(), ATTACKS.len());
        // Against nobody: each ends in its time, and its process as well.
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = nobody.local_addr().unwrap().port();
        drop(nobody);
        let doors = Doors { intake: port, web: port, sl651: port, broker: port };
        let all = ATTACKS.iter();
        let mut started: Vec<Attacker> = all
            .map(|attack| Attacker::start(attack, doors, Duration::from_millis(50), true))
            .collect();
        assert!(started.iter_mut().all(Attacker::ended_well));
    }
}
