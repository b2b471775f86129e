//! What all WebSockets have in common: so many places, little that is heard, and no waiting for who takes nothing.

use std::{sync::Arc, time::Duration};

use axum::extract::{
    WebSocketUpgrade,
    ws::{CloseFrame, Message, WebSocket},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Who takes nothing for so long has to come again.
pub(super) const SENT_WITHIN: Duration = Duration::from_secs(10);
/// Pages and viewers have nothing to say.
const HEARD_BYTES_MAX: usize = 1_024;

/// What each connection needs of the listener. A cheap handle; all clones are one.
#[derive(Clone)]
pub(super) struct Seats {
    places: Arc<Semaphore>,
    pub(super) stop: watch::Receiver<bool>,
}

impl Seats {
    /// So many connections at once.
    pub(super) fn of(places: usize, stop: watch::Receiver<bool>) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), stop }
    }

    /// A place, for as long as what is returned lives; none: all are taken.
    pub(super) fn take(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().ok()
    }
}

/// It hears no more than a sign of life.
pub(super) fn bounded(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade.max_message_size(HEARD_BYTES_MAX).max_frame_size(HEARD_BYTES_MAX)
}

/// False: the other end does not take it.
pub(super) async fn send(socket: &mut WebSocket, message: Message) -> bool {
    let sent = socket.send(message);
    matches!(tokio::time::timeout(SENT_WITHIN, sent).await, Ok(Ok(())))
}

/// The last frame, with why it is the last; whether it is taken makes no difference any more.
pub(super) async fn close(socket: &mut WebSocket, code: u16, word: &'static str) {
    let frame = CloseFrame { code, reason: word.into() };
    send(socket, Message::Close(Some(frame))).await;
}
