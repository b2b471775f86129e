//! The first looks at a scene: nothing differs of who stood there before anybody looked. Pure.
//!
//! **V3** What a camera shows when it is first looked at becomes its background. Who stands there
//! differs from nothing, so no crop shows him, and the whole picture is made so small that it hardly
//! shows who is far away. So the first looks at the whole of it show every tile too. They begin anew
//! where rules look elsewhere (who stands there was nobody's concern before), and in a larger
//! picture, as when a main stream comes later than its sub-stream.

use std::sync::Arc;

use crate::domain::{Look, LookArea};

/// So many looks show every tile. One alone may be an error of the model, and a camera in which nothing
/// moves sleeps after two.
pub(super) const FIRST_LOOKS: u8 = 2;
/// Tiles that one of them shows, at most: all that a picture has.
pub(super) const FIRST_TILES_MAX: usize = 16;

/// How many there were, of which scene.
#[derive(Default)]
pub(super) struct FirstLooks {
    count: u8,
    /// Pixels of the widest picture so far.
    width: u32,
    /// Where the rules looked.
    area: Option<Arc<LookArea>>,
}

impl FirstLooks {
    /// Whether this look at a picture of so many pixels across is one of the first; if so, it counts.
    pub(super) fn is_one(&mut self, look: &Look, width: u32) -> bool {
        // What is seen from the air is another scene each time, and what a probe shows is shown again.
        if !look.whole || look.in_flight || look.probe {
            return false;
        }
        if width > self.width || self.area != look.area {
            let width = width.max(self.width);
            *self = Self { count: 0, width, area: look.area.clone() };
        }
        let first = self.count < FIRST_LOOKS;
        self.count += u8::from(first);
        first
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn they_begin_anew_in_a_larger_picture_and_where_rules_look_elsewhere() {
        let mut first = FirstLooks::default();
        let whole = Look { whole: true, ..Look::quiet(Timestamp::UNIX_EPOCH, None) };
        let corner = LookArea::of(|cell| cell.x1 <= 0.05 && cell.y1 <= 0.05).map(Arc::new);
        let elsewhere = Look { area: corner, ..whole.clone() };
        let mut count =
            |look: &Look, width: u32| (0..10).filter(|_| first.is_one(look, width)).count();
        let all = usize::from(FIRST_LOOKS);
        assert_eq!([count(&whole, 640), count(&whole, 1_920), count(&whole, 640)], [all, all, 0]);
        assert_eq!([count(&elsewhere, 640), count(&elsewhere, 1_920)], [all, 0]);
        assert_eq!(count(&whole, 640), all);
        let part = Look { whole: false, ..whole.clone() };
        let in_flight = Look { in_flight: true, ..whole.clone() };
        let probe = Look { probe: true, ..whole };
        assert_eq!([&part, &in_flight, &probe].map(|look| count(look, 3_840)), [0, 0, 0]);
    }
}
