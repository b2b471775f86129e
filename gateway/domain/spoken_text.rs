//! What may be spoken: a text without marks for machines, of bounded length. Pure.

/// Longer texts are refused where a person types them, and cut where a template makes them.
pub const SPOKEN_CHARS_MAX: usize = 500;

/// As it is spoken: controls, escape sequences of terminals, what stands in `<…>` (SSML) and what nobody can
/// pronounce (emoji) are left out; cut to [`SPOKEN_CHARS_MAX`].
pub fn speakable(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let (mut out, mut at) = (String::new(), 0);
    while let Some(c) = chars.get(at) {
        at += 1;
        match c {
            '\u{1b}' => at += escape_len(&chars[at..]),
            // A mark of SSML has an end; "less than" has none.
            '<' if is_mark(&chars[at..]) => {
                at += chars[at..].iter().position(|c| *c == '>').map_or(0, |end| end + 1);
                out.push(' ');
            }
            c if is_spoken(*c) => out.push(*c),
            _ => out.push(' '),
        }
    }
    let text = out.split_whitespace().collect::<Vec<_>>().join(" ");
    text.chars().take(SPOKEN_CHARS_MAX).collect()
}

/// How many characters behind ESC belong to it: `[`, figures, and the letter that ends it.
fn escape_len(rest: &[char]) -> usize {
    if rest.first() != Some(&'[') {
        return usize::from(rest.first().is_some_and(|c| !is_spoken(*c) || c.is_ascii()));
    }
    rest.iter().skip(1).position(|c| ('@'..='~').contains(c)).map_or(1, |end| end + 2)
}

fn is_mark(rest: &[char]) -> bool {
    let begins = rest.first().is_some_and(|c| c.is_ascii_alphabetic() || "/!?".contains(*c));
    begins && rest.contains(&'>')
}

/// Letters and figures of any language, and the marks by which a voice makes a pause.
fn is_spoken(c: char) -> bool {
    c.is_alphanumeric() || " .,;:!?%+-/'\"()·°。，、；：！？（）《》“”‘’—…～－．％".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_voice_can_say_is_left_out() {
        for (text, spoken) in [
            ("水位上涨，请立即离开河岸！", "水位上涨，请立即离开河岸！"),
            ("请\u{0}让\u{7}开\n\n通道", "请 让 开 通道"),
            ("火🔥警👨‍👩‍👧", "火 警"),
            ("<speak><prosody rate=\"x-slow\">请离开</prosody></speak>", "请离开"),
            ("\u{1b}[31;1m红色\u{1b}[0m预警", "红色预警"),
            ("\u{1b}]0;title", "0;title"),
            ("水深 < 2 米", "水深 2 米"),
            ("a<b 不结束", "a b 不结束"),
            ("\u{202e}倒过来", "倒过来"),
            ("🔥🔥", ""),
            ("", ""),
        ] {
            assert_eq!(speakable(text), spoken, "{text:?}");
        }
    }

    #[test]
    fn a_text_is_bounded_at_both_ends() {
        let of = |count: usize| speakable(&"请".repeat(count)).chars().count();
        assert_eq!(
            [of(0), of(1), of(499), of(500), of(501), of(10_000)],
            [0, 1, 499, 500, 500, 500]
        );
    }
}
