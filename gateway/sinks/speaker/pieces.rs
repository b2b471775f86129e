//! The pieces that a text is spoken in: what is recorded, and what a voice has to read. Pure.

/// One piece of a text, in the order in which it is spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SpokenPiece<'t> {
    /// Somebody has recorded it, under this name.
    Recorded(&'t str),
    /// A voice has to read it.
    Read(&'t str),
}

/// The text in its pieces: a part between two pauses that is recorded is heard as it was recorded, and what
/// is not recorded is read in one go.
pub(super) fn pieces<'t>(
    text: &'t str,
    is_recorded: impl Fn(&str) -> bool,
) -> Vec<SpokenPiece<'t>> {
    let mut found = Vec::new();
    let mut unread: Option<(usize, usize)> = None;
    let mut from = 0;
    let is_pause = |c: char| "。，；：！？,;!?".contains(c);
    let ends = text.match_indices(is_pause).map(|(at, mark)| (at, at + mark.len()));
    for (to, next) in ends.chain([(text.len(), text.len())]) {
        let part = text[from..to].trim();
        if !part.is_empty() && is_recorded(part) {
            found.extend(unread.take().map(|(from, to)| SpokenPiece::Read(text[from..to].trim())));
            found.push(SpokenPiece::Recorded(part));
        } else if !part.is_empty() {
            unread = Some((unread.map_or(from, |(begun, _)| begun), next));
        }
        from = next;
    }
    found.extend(unread.map(|(from, to)| SpokenPiece::Read(text[from..to].trim())));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_heard_and_the_rest_is_read_in_one_go() {
        let recorded = |part: &str| ["水位上涨", "请立即离开河岸"].contains(&part);
        let read = |text| pieces(text, recorded);
        assert_eq!(
            read("水位上涨，请立即离开河岸！"),
            [SpokenPiece::Recorded("水位上涨"), SpokenPiece::Recorded("请立即离开河岸")]
        );
        assert_eq!(
            read("桥北，一网格：水位上涨，请 立即离开河岸。"),
            [
                SpokenPiece::Read("桥北，一网格："),
                SpokenPiece::Recorded("水位上涨"),
                SpokenPiece::Read("请 立即离开河岸。")
            ]
        );
        assert_eq!(read("，。！"), []);
        assert_eq!(read("请让开"), [SpokenPiece::Read("请让开")]);
    }
}
