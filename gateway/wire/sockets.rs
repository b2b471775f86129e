//! Options of TCP sockets: a peer that vanished without a word is found by the system.

use std::{os::fd::AsFd, time::Duration};

use rustix::net::sockopt;

/// Quiet for so long, the peer is asked whether it is still there,
const IDLE: Duration = Duration::from_secs(60);
/// so often after that,
const EVERY: Duration = Duration::from_secs(15);
/// and without so many answers it is gone.
const TRIES: u32 = 4;
/// What we sent and nobody took in so long: it is gone as well. Milliseconds.
const UNTAKEN_MS: u32 = 120_000;

/// Cannot fail in a way that matters: without it a dead peer is found later.
pub fn keep_alive(socket: &impl AsFd) {
    let _ = sockopt::set_socket_keepalive(socket, true);
    let _ = sockopt::set_tcp_keepidle(socket, IDLE);
    let _ = sockopt::set_tcp_keepintvl(socket, EVERY);
    let _ = sockopt::set_tcp_keepcnt(socket, TRIES);
    let _ = sockopt::set_tcp_user_timeout(socket, UNTAKEN_MS);
}
