//! What is wrong between drones: each has a port and a serial number of its own.

use std::collections::HashSet;

use super::{read::Document, sections::Items};
use crate::sources::drone;

pub(super) fn check(document: &mut Document<'_>, drones: &Items<drone::Config>) {
    let (mut ports, mut serials) = (HashSet::new(), HashSet::new());
    for (index, drone) in drones {
        if let Some((transport, port)) = drone.port().filter(|port| !ports.insert(*port)) {
            let message = format!("another drone listens at {transport} port {port}");
            document.problem(&["drone", index, "listen"], message, None);
        }
        if let Some(serial) = drone.serial.as_ref().filter(|serial| !serials.insert(*serial)) {
            let message = format!("another drone has the serial number `{serial}`");
            document.problem(&["drone", index, "serial"], message, None);
        }
    }
}
