//! Text cut into rows of a screen, so that it is known how many there are.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// The rows of a text that has no line breaks, none wider than this. A width of 0 counts as 1.
pub(super) fn rows(text: &str, style: Style, width: u16) -> Vec<Line<'static>> {
    let width = usize::from(width.max(1));
    let mut found = Vec::new();
    let (mut begin, mut used) = (0, 0);
    for (at, c) in text.char_indices() {
        let wide = match c.is_ascii() {
            true => 1,
            false => Span::raw(&text[at..at + c.len_utf8()]).width(),
        };
        if used + wide > width && at > begin {
            found.push(Line::styled(text[begin..at].to_owned(), style));
            (begin, used) = (at, 0);
        }
        used += wide;
    }
    found.push(Line::styled(text[begin..].to_owned(), style));
    found
}

/// The same, broken at spaces where it can be.
pub(super) fn words(text: &str, width: u16) -> Vec<Line<'static>> {
    let mut found: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match found.last_mut() {
            Some(row) if Span::raw(&**row).width() + 1 + Span::raw(word).width() <= usize::from(width) => {
                row.push(' ');
                row.push_str(word);
            }
            _ => found.push(word.to_owned()),
        }
    }
    found.iter().flat_map(|row| rows(row, Style::new(), width)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, width: u16) -> Vec<String> {
        rows(text, Style::new(), width).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn no_row_is_wider_than_the_screen_and_nothing_is_lost() {
        assert_eq!(cut("", 5), [""]);
        assert_eq!(cut("abcdef", 3), ["abc", "def"]);
        assert_eq!(cut("abcdefg", 3), ["abc", "def", "g"]);
        // Each of these takes two cells.
        assert_eq!(cut("日本語", 5), ["日本", "語"]);
        assert_eq!(cut("日", 0), ["日"]);
        for width in 1..9 {
            assert_eq!(cut("a 日本🦀 e\u{301}x", width).concat(), "a 日本🦀 e\u{301}x", "{width}");
        }
    }

    #[test]
    fn words_stay_whole_where_there_is_room() {
        let told: Vec<String> = words("one two three", 8).iter().map(ToString::to_string).collect();
        assert_eq!(told, ["one two", "three"]);
        let told: Vec<String> = words("enormous", 5).iter().map(ToString::to_string).collect();
        assert_eq!(told, ["enorm", "ous"]);
    }
}
