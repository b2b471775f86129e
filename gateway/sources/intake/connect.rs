//! CONNECT: who a device says it is, whether it may be here, what we promise it, and its last will.

use std::{net::IpAddr, time::Duration};

use mqtt_protocol_core::mqtt::packet::{
    AssignedClientIdentifier, Packet, Property, ServerKeepAlive, SessionExpiryInterval, v3_1_1,
    v5_0,
};
use mqtt_protocol_core::mqtt::result_code::{ConnectReasonCode, ConnectReturnCode};

use super::Shared;
use crate::wire::guests::Name;

/// A device that asks for no keep-alive is let go after so long without a word. Its line may be
/// dead long before: TCP asks every minute (`wire/sockets.rs`).
pub(super) const SILENT_MAX: Duration = Duration::from_secs(2 * 3_600);
/// What a version 5 client is told in place of its own: with half of it to spare, the same.
const SERVER_KEEP_ALIVE_S: u16 = 4_800;
/// A will that is to wait is not waited for longer than this.
const WILL_DELAY_MAX: Duration = Duration::from_secs(300);

/// What a device said of itself when it connected.
#[derive(Clone, Debug, Default)]
pub(super) struct Hello {
    pub(super) client: String,
    pub(super) user: Option<String>,
    pub(super) v5: bool,
    pub(super) will: Option<Will>,
}

/// What it wants to have said if it goes without a word.
#[derive(Clone, Debug)]
pub(super) struct Will {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    /// To be said only if it has not come back by then.
    pub(super) delay: Duration,
}

/// The answer to a CONNECT.
pub(super) struct Welcome {
    pub(super) connack: Result<Packet, String>,
    /// `Err`: it may not be here.
    pub(super) hello: Result<Hello, String>,
}

impl Hello {
    /// The client and whose it is, for who takes over from whom.
    pub(super) fn name(&self, from: &str) -> Name {
        let owner = self.user.as_ref().map(|user| format!("user {user}"));
        (self.client.clone(), owner.unwrap_or_else(|| format!("address {from}")))
    }

    /// By what devices on no list are counted that it names: connection, user, address.
    pub(super) fn origins(&self, connection: u64, from: IpAddr) -> Vec<String> {
        let user = self.user.as_ref().map(|user| format!("user {user}"));
        let here = [format!("connection {connection}"), format!("address {from}")];
        here.into_iter().chain(user).collect()
    }

    /// The way in, as presses are told apart by it.
    pub(super) fn way(&self) -> String {
        self.user.as_ref().map_or("intake".to_owned(), |user| format!("intake/{user}"))
    }
}

/// Whether this user may come in. `Ok(None)`: anonymous.
fn user(
    shared: &Shared,
    name: Option<&str>,
    password: Option<&[u8]>,
) -> Result<Option<String>, &'static str> {
    const WRONG: &str = "wrong name or password";
    match name {
        // Devices that insist on a name are let in where nobody needs one.
        Some(_) if shared.users.is_empty() && shared.anonymous => Ok(None),
        None if shared.anonymous => Ok(None),
        None => Err(WRONG),
        Some(name) => {
            let user = shared.users.get(name);
            let known = user.is_some_and(|user| user.has_password(password.unwrap_or_default()));
            if known { Ok(Some(name.to_owned())) } else { Err(WRONG) }
        }
    }
}

/// A version 3.1.1 client, or an older one.
pub(super) fn v3(shared: &Shared, connect: &v3_1_1::Connect) -> Welcome {
    let client = connect.client_id().to_owned();
    let answer = |code| {
        let connack = v3_1_1::Connack::builder().session_present(false).return_code(code);
        connack.build().map(Into::into).map_err(|error| format!("{error:?}"))
    };
    if client.is_empty() && !connect.clean_session() {
        // MQTT-3.1.3-8: a session without a name cannot be found again.
        let connack = answer(ConnectReturnCode::IdentifierRejected);
        return Welcome { connack, hello: Err("no client id, and a lasting session".into()) };
    }
    let will = connect.will_topic().map(|topic| Will {
        topic: topic.to_owned(),
        payload: connect.will_payload().unwrap_or_default().to_vec(),
        delay: Duration::ZERO,
    });
    match user(shared, connect.user_name(), connect.password()) {
        Ok(user) => Welcome {
            connack: answer(ConnectReturnCode::Accepted),
            hello: Ok(Hello { client: named(client), user, v5: false, will }),
        },
        Err(why) => Welcome {
            connack: answer(ConnectReturnCode::NotAuthorized),
            hello: Err(format!("client {client:?}: {why}")),
        },
    }
}

/// A version 5 client: it is told what we decided for it.
pub(super) fn v5(shared: &Shared, connect: &v5_0::Connect) -> Welcome {
    let client = connect.client_id().to_owned();
    let user = match user(shared, connect.user_name(), connect.password()) {
        Ok(user) => user,
        Err(why) => {
            let no = v5_0::Connack::builder()
                .session_present(false)
                .reason_code(ConnectReasonCode::NotAuthorized)
                .build();
            let connack = no.map(Into::into).map_err(|error| format!("{error:?}"));
            return Welcome { connack, hello: Err(format!("client {client:?}: {why}")) };
        }
    };
    let mut told = Vec::new();
    let named = named(client.clone());
    if client.is_empty() {
        told.extend(AssignedClientIdentifier::new(&named).map(Property::AssignedClientIdentifier));
    }
    let lasting = |one: &Property| matches!(one, Property::SessionExpiryInterval(s) if s.val() > 0);
    if connect.props().iter().any(lasting) {
        told.extend(SessionExpiryInterval::new(0).map(Property::SessionExpiryInterval));
    }
    if connect.keep_alive() == 0 || connect.keep_alive() > SERVER_KEEP_ALIVE_S {
        told.extend(ServerKeepAlive::new(SERVER_KEEP_ALIVE_S).map(Property::ServerKeepAlive));
    }
    let delay = connect.will_props().iter().find_map(|one| match one {
        Property::WillDelayInterval(delay) => Some(u64::from(delay.val())),
        _ => None,
    });
    let will = connect.will_topic().map(|topic| Will {
        topic: topic.to_owned(),
        payload: connect.will_payload().unwrap_or_default().to_vec(),
        delay: Duration::from_secs(delay.unwrap_or(0)).min(WILL_DELAY_MAX),
    });
    let connack = v5_0::Connack::builder()
        .session_present(false)
        .reason_code(ConnectReasonCode::Success)
        .props(told)
        .build();
    Welcome {
        connack: connack.map(Into::into).map_err(|error| format!("{error:?}")),
        hello: Ok(Hello { client: named, user, v5: true, will }),
    }
}

/// Its own id, or one of our making.
fn named(client: String) -> String {
    if client.is_empty() { format!("anonymous-{:016x}", rand::random::<u64>()) } else { client }
}

/// What the first packet of a connection is taken for.
pub(super) enum First {
    /// As it came, or a CONNECT of MQTT 3.1 in the words of 3.1.1.
    Connect(Vec<u8>),
    /// A version that is not served: answered with code 1, in the words of all versions.
    Unserved(u8),
}

/// MQTT 3.1 (`MQIsdp`, level 3) is 3.1.1 but for its name: a button of 2010 presses like any other.
pub(super) fn first(frame: &[u8]) -> First {
    const OLD: &[u8] = b"\x00\x06MQIsdp";
    const NEW: &[u8] = b"\x00\x04MQTT";
    let header = 1 + frame.iter().skip(1).take_while(|byte| **byte & 0x80 != 0).count() + 1;
    let Some(body) = frame.get(header..).filter(|_| frame[0] == 0x10) else {
        return First::Connect(frame.to_vec());
    };
    if let Some(rest) = body.strip_prefix(OLD) {
        return match rest.first() {
            Some(3) => {
                let body = [NEW, &[4], &rest[1..]].concat();
                let mut frame = vec![0x10];
                let mut left = body.len();
                loop {
                    let more = left > 127;
                    // Seven bits of it: they fit.
                    frame.push((left % 128) as u8 | if more { 0x80 } else { 0 });
                    left /= 128;
                    if !more {
                        break;
                    }
                }
                frame.extend(body);
                First::Connect(frame)
            }
            level => First::Unserved(level.copied().unwrap_or(0)),
        };
    }
    match body.strip_prefix(NEW).and_then(|rest| rest.first()) {
        Some(level) if ![4, 5].contains(level) => First::Unserved(*level),
        _ => First::Connect(frame.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_client_is_read_in_the_words_of_today() {
        let old = b"\x10\x12\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x04test";
        let First::Connect(read) = first(old) else { panic!("not served") };
        assert_eq!(read, b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04test");
        let today = b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04test";
        assert!(matches!(first(today), First::Connect(same) if same == today));
        let five = b"\x10\x11\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x04test";
        assert!(matches!(first(five), First::Connect(same) if same == five));
    }

    #[test]
    fn another_level_is_answered_as_such_and_nonsense_is_left_to_the_protocol() {
        assert!(matches!(first(b"\x10\x10\x00\x04MQTT\x09\x02\x00\x3c"), First::Unserved(9)));
        assert!(matches!(first(b"\x10\x10\x00\x04MQTT\x84\x02\x00\x3c"), First::Unserved(0x84)));
        assert!(matches!(first(b"\x10\x09\x00\x06MQIsdp\x83"), First::Unserved(0x83)));
        for odd in
            [&b"\x10"[..], b"\x10\x00", b"\x30\x02ab", b"\x10\xff\xff\xff\x7f", b"\x10\x02\x00\x04"]
        {
            assert!(matches!(first(odd), First::Connect(same) if same == odd), "{odd:?}");
        }
    }
}
