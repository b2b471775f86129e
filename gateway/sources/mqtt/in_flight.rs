//! Messages of a broker between it and their acknowledgement, in the order in which they came.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use crate::wire::mqtt::{Heard, Message, Subscriber};

/// Beyond so many messages, or so many bytes of them, nothing more is read until some are on disk:
/// they wait at the broker. What is on its way to the disk is bounded by the junction's inbox too.
const MESSAGES_MAX: usize = 1_000;
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// Each is acknowledged after it is on disk, and after all before it (MQTT-4.6.0-2).
#[derive(Default)]
pub(super) struct InFlight {
    messages: VecDeque<(Message, StoredYet)>,
    bytes: usize,
}

/// Whether a message is on disk.
pub(super) enum StoredYet {
    /// It never will be: the limit set it aside, and it only waits for its turn.
    SetAside,
    /// The store has not answered yet.
    Asked(oneshot::Receiver<bool>),
    /// Yes; it waits for its turn.
    Yes,
}

impl InFlight {
    pub(super) fn push(&mut self, message: Message, stored: StoredYet) {
        self.bytes += message.payload.len() + message.topic.len();
        self.messages.push_back((message, stored));
    }

    /// The next thing that the broker says; what is on disk is acknowledged meanwhile. Errors end
    /// the connection. Nothing is lost where this is cancelled.
    pub(super) async fn next(&mut self, subscriber: &mut Subscriber) -> Result<Heard, String> {
        loop {
            let reading = self.messages.len() < MESSAGES_MAX && self.bytes < BYTES_MAX;
            tokio::select! {
                biased;
                stored = self.oldest_is_stored() => {
                    if !stored {
                        return Err(
                            "a message could not be stored; the broker must send it again".into()
                        );
                    }
                    if let Some((oldest, _)) = self.messages.pop_front() {
                        self.bytes -= oldest.payload.len() + oldest.topic.len();
                        subscriber.acknowledge(&oldest)?;
                    }
                }
                heard = subscriber.next(reading) => return heard,
            }
        }
    }

    /// Whether the oldest message is on disk or set aside; waits for ever if there is none.
    /// Cancelling forgets nothing.
    async fn oldest_is_stored(&mut self) -> bool {
        let Some((_, stored)) = self.messages.front_mut() else {
            return std::future::pending().await;
        };
        if let StoredYet::Asked(answer) = stored {
            if !answer.await.unwrap_or(false) {
                return false;
            }
            *stored = StoredYet::Yes;
        }
        true
    }
}
