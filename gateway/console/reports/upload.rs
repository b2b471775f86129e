//! The bytes of a form: read whole before anything is done with them, bounded in size, time and memory.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use http_body_util::BodyExt;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use super::super::body::drop_rest;
use crate::media::FOREIGN_PICTURE_BYTES_MAX;

/// The picture, and what is around it.
const BODY_BYTES_MAX: usize = FOREIGN_PICTURE_BYTES_MAX + 128 * 1024;
/// 5 MB over a slow telephone.
const BODY_WITHIN: Duration = Duration::from_secs(120);
/// Something must have come within this.
const NEXT_WITHIN: Duration = Duration::from_secs(15);
/// So much of each form, its words, always finds room.
const ALWAYS_BYTES: usize = 64 * 1024;
const BYTES_A_PERMIT: usize = 64 * 1024;
/// Bytes of pictures in memory at once, of all forms.
const PICTURE_BYTES_MAX: usize = 64 << 20;

/// Why a form was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// More than a picture of 5 MB.
    TooLarge,
    /// Nothing came for 15 s, or it was not there within two minutes.
    Late,
    /// The sender has gone.
    BrokenOff,
    /// Too many pictures are on their way.
    NoRoom,
}

/// Room in memory for what is being sent.
#[derive(Clone)]
pub(super) struct Room(Arc<Semaphore>);

/// A form's bytes, and the room that they take.
pub(super) struct Upload {
    pub(super) bytes: Vec<u8>,
    room: Vec<OwnedSemaphorePermit>,
}

impl Upload {
    /// Its bytes, and its room, which is taken as long as the latter is there.
    pub(super) fn apart(self) -> (Vec<u8>, Vec<OwnedSemaphorePermit>) {
        (self.bytes, self.room)
    }
}

impl Room {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(PICTURE_BYTES_MAX / BYTES_A_PERMIT)))
    }

    /// Reads a body to its end, or says why not.
    pub(super) async fn read(&self, mut body: Body) -> Result<Upload, Unread> {
        let until = Instant::now() + BODY_WITHIN;
        let mut upload = Upload { bytes: Vec::new(), room: Vec::new() };
        while let Some(chunk) = next(&mut body, until).await? {
            if upload.bytes.len() + chunk.len() > BODY_BYTES_MAX {
                let read = upload.bytes.len() + chunk.len();
                drop(upload);
                drop_rest(body, read).await;
                return Err(Unread::TooLarge);
            }
            upload.bytes.extend_from_slice(&chunk);
            let beyond = upload.bytes.len().saturating_sub(ALWAYS_BYTES);
            while upload.room.len() < beyond.div_ceil(BYTES_A_PERMIT) {
                let Ok(permit) = self.0.clone().try_acquire_owned() else {
                    let read = upload.bytes.len();
                    drop(upload);
                    drop_rest(body, read).await;
                    return Err(Unread::NoRoom);
                };
                upload.room.push(permit);
            }
        }
        Ok(upload)
    }
}

async fn next(body: &mut Body, until: Instant) -> Result<Option<axum::body::Bytes>, Unread> {
    loop {
        let until = until.min(Instant::now() + NEXT_WITHIN);
        let frame = timeout_at(until, body.frame()).await.map_err(|_| Unread::Late)?;
        match frame {
            None => return Ok(None),
            Some(Err(_)) => return Err(Unread::BrokenOff),
            // Trailers say nothing.
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn p11_pictures_share_a_room_and_words_always_find_some() {
        let room = Room::new();
        let send = |bytes: usize| room.read(Body::from(vec![0; bytes]));
        assert_eq!(send(BODY_BYTES_MAX).await.unwrap().bytes.len(), BODY_BYTES_MAX);
        assert_eq!(send(BODY_BYTES_MAX + 1).await.err(), Some(Unread::TooLarge));
        let mut held = Vec::new();
        let full = loop {
            match send(5 << 20).await {
                Ok(upload) => held.push(upload),
                Err(error) => break error,
            }
        };
        assert_eq!((full, held.len()), (Unread::NoRoom, 12));
        assert!(send(ALWAYS_BYTES).await.is_ok());
        held.clear();
        assert!(send(5 << 20).await.is_ok());
    }
}
