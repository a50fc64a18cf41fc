//! Text of others, made safe to show: what would steer the terminal, or make text look like other text, is
//! spelled out.

/// Characters that turn the direction of text, or cannot be seen.
fn misleads(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Text of one line.
pub(crate) fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || misleads(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// Lines of a text.
pub(crate) fn lines(text: &str) -> Vec<String> {
    text.split('\n').map(|one| line(&one.replace('\t', "    "))).collect()
}
