//! Findings become changes of incidents; the one owner of live incidents. Pure: no I/O, `now` is an argument.

mod config;
mod desk;
mod flight;
mod fusion;
mod gauges;
mod life;
mod live;
mod memory;
mod patrol;
mod presses;
mod sighting;
mod strangers;
mod supervise;
#[cfg(test)]
mod tests_announcements;
#[cfg(test)]
mod tests_devices;
#[cfg(test)]
mod tests_drill;
#[cfg(test)]
mod tests_flight;
#[cfg(test)]
mod tests_fusion;
#[cfg(test)]
mod tests_life;
#[cfg(test)]
mod tests_limits;
#[cfg(test)]
mod tests_presence;
#[cfg(test)]
mod tests_presses;
#[cfg(test)]
mod tests_random;
#[cfg(test)]
mod tests_resident_reports;
#[cfg(test)]
mod tests_routing;
#[cfg(test)]
mod tests_strangers;
mod things;
mod titles;

pub use config::{Config, TestWindow};
pub use desk::{Desk, Directory, Effects, EvidenceJob, PresencePlace};
pub use fusion::Join;
pub use life::{Config as LifeConfig, Contact, LimitRow, Limits};
pub use memory::Remembers;
