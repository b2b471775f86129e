//! A reply with a picture: cleaned, on disk and synced before the step that names it.

use super::Backend;
use crate::domain::{Answer, Evidence, Incident, Reply};

/// Pictures that came with replies, of one case.
const PICTURES_MAX: usize = 20;

/// Why a picture is not taken; the step is not taken then either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoPicture {
    /// For who sent it.
    pub zh: String,
    /// For logs and programs.
    pub en: String,
    /// The same picture may be taken later.
    pub is_temporary: bool,
}

/// What became of a reply.
#[derive(Debug)]
pub(super) struct Replied {
    pub(super) answer: Answer,
    /// A picture came, the step had been taken without it before, and it is not kept.
    pub(super) picture_left: bool,
}

/// Takes a reply and the picture beside it.
pub(super) async fn reply<B: Backend>(
    backend: &B,
    mut reply: Reply,
    picture: Option<Vec<u8>>,
) -> Result<Replied, NoPicture> {
    let (brought, said) = (picture.is_some(), reply.id.clone());
    let mut kept = None;
    let before = picture.as_ref().and_then(|_| backend.incident(reply.incident));
    let before = before.map(|record| record.incident).filter(|case| is_new(case, &reply));
    if let (Some(bytes), Some(case)) = (picture, before) {
        if step_pictures(&case) >= PICTURES_MAX {
            return Err(NoPicture {
                zh: format!("该案件已有 {PICTURES_MAX} 张处置照片，不能再加。"),
                en: format!("the case has {PICTURES_MAX} pictures of steps already"),
                is_temporary: false,
            });
        }
        let picture: Evidence = backend.keep_picture(bytes).await?;
        kept = Some(picture.clone());
        reply.picture = Some(Box::new(picture));
    }
    let answer = backend.reply(reply).await;
    let mut picture_left = false;
    if let Answer::Changed(incident) = &answer {
        let steps = &incident.life.steps;
        let same = steps.iter().find(|step| said.is_some() && step.id == said);
        let step = same.or(incident.life.last_taken());
        picture_left = brought && step.is_none_or(|step| step.evidence.is_none());
    }
    // What is no part of the case is nobody's. Where the disk failed it may be one: a file too many is
    // better than a record without it.
    let is_listed = match &answer {
        Answer::Changed(incident) => {
            incident.evidence.iter().any(|one| kept.as_ref().is_some_and(|kept| kept.id == one.id))
        }
        Answer::Lost => true,
        _ => false,
    };
    if let Some(piece) = kept.filter(|_| !is_listed) {
        backend.drop_picture(piece).await;
    }
    Ok(Replied { answer, picture_left })
}

/// The same reply twice brings the same picture twice: one is looked at.
fn is_new(case: &Incident, reply: &Reply) -> bool {
    !case.stage.is_over() && reply.id.as_deref().is_none_or(|id| !case.life.has(id))
}

fn step_pictures(case: &Incident) -> usize {
    case.life.steps.iter().filter(|step| step.evidence.is_some()).count()
}
