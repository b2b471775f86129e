//! Pictures that come with replies: made anew, written and synced like a snapshot, before the step that names them.

use std::sync::Mutex;

use super::picture_file::keep_jpeg;

use crate::{
    base::lock,
    console::NoPicture,
    domain::{Evidence, IdMint, Now},
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
        let kept = move || keep_jpeg(&store, id, now.wall, &clean.jpeg);
        let kept = tokio::task::spawn_blocking(kept).await;
        kept.unwrap_or_else(|error| Err(error.to_string())).map_err(|en| {
            tracing::warn!(reason = en, "a picture of a step cannot be written");
            NoPicture { zh: "现在没有地方保存照片。".into(), en, is_temporary: true }
        })
    }
}
