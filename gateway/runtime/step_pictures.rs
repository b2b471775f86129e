//! Pictures that come with replies: made anew, written and synced like a snapshot, before the step that names them.

use std::{fs, sync::Mutex};

use crate::{
    base::lock,
    console::NoPicture,
    domain::{Evidence, EvidenceId, IdMint, Now},
    media::{SentBy, clean},
    store::Store,
};

/// Mints their ids.
pub(super) struct StepPictures(Mutex<IdMint>);

impl Default for StepPictures {
    fn default() -> Self {
        Self(Mutex::new(IdMint::new(rand::random())))
    }
}

impl StepPictures {
    /// As [`crate::console::Backend::keep_picture`].
    pub(super) async fn keep(
        &self,
        store: &Store,
        now: Now,
        bytes: Vec<u8>,
    ) -> Result<Evidence, NoPicture> {
        let clean = clean(SentBy::Officer, &bytes).await.map_err(|refused| NoPicture {
            zh: refused.zh(),
            en: refused.to_string(),
            is_temporary: refused.is_temporary(),
        })?;
        let id = lock(&self.0).evidence(now);
        let store = store.clone();
        let written = tokio::task::spawn_blocking(move || write(&store, id, &clean.jpeg)).await;
        let (sha256, bytes) =
            written.unwrap_or_else(|error| Err(error.to_string())).map_err(|en| {
                tracing::warn!(reason = en, "a picture of a step cannot be written");
                NoPicture { zh: "现在没有地方保存照片。".into(), en, is_temporary: true }
            })?;
        Ok(Evidence {
            id,
            media_type: "image/jpeg".into(),
            sha256,
            bytes,
            starts_at: Some(now.wall),
            ends_at: None,
            pre_roll_ms: None,
            pre_roll_limit: None,
        })
    }
}

fn write(store: &Store, id: EvidenceId, jpeg: &[u8]) -> Result<(String, u64), String> {
    let new = store.new_evidence(id, "jpg").map_err(|error| error.to_string())?;
    fs::write(&new.path, jpeg).map_err(|error| format!("a picture of a step: {error}"))?;
    store.finish_evidence(new).map_err(|error| error.to_string())
}
