//! What was expected and what came, side by side as far as they differ.

use super::plain::{Plain, quoted};

/// Most lines of each side that are compared line by line.
const LINES: usize = 400;
/// Lines around a difference that are shown.
const AROUND: usize = 2;
/// Most lines that are shown.
const SHOWN: usize = 60;

/// The message of a failed comparison.
pub(super) fn unequal(got: &Plain, expected: &Plain) -> String {
    if let (Plain::Text(got), Plain::Text(expected)) = (got, expected)
        && !got.contains(&b'\n')
        && !expected.contains(&b'\n')
    {
        return texts(got, expected);
    }
    let (got, expected) = (lines_of(got), lines_of(expected));
    if !got.contains('\n') && !expected.contains('\n') {
        return format!("expected {expected}\n     got {got}");
    }
    format!("not equal: - expected, + got\n{}", lines(&expected, &got))
}

/// A text of several lines as it is, so that its lines can be compared; everything else as Lua writes it.
fn lines_of(value: &Plain) -> String {
    match value {
        Plain::Text(text) if text.contains(&b'\n') => String::from_utf8_lossy(text).into_owned(),
        other => other.show(),
    }
}

fn texts(got: &[u8], expected: &[u8]) -> String {
    let text = format!("expected {}\n     got {}", quoted(expected), quoted(got));
    if got.len().max(expected.len()) < 40 {
        return text;
    }
    let same = got.iter().zip(expected).take_while(|(a, b)| a == b).count();
    let from = same.saturating_sub(20);
    let piece = |text: &[u8]| quoted(&text[from.min(text.len())..text.len().min(same + 30)]);
    format!(
        "{text}\n  they part at byte {}: expected ...{}, got ...{}",
        same + 1,
        piece(expected),
        piece(got)
    )
}

/// The lines that differ, marked with `-` and `+`, and some around them.
pub(super) fn lines(before: &str, after: &str) -> String {
    let (before, after): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let marked = if before.len().max(after.len()) > LINES {
        let gone = before.iter().map(|line| ('-', *line));
        gone.chain(after.iter().map(|line| ('+', *line))).collect()
    } else {
        compared(&before, &after)
    };
    let near = |index: usize| {
        let from = index.saturating_sub(AROUND);
        marked[from..(index + AROUND + 1).min(marked.len())].iter().any(|(mark, _)| *mark != ' ')
    };
    let mut out = Vec::new();
    let mut skipped = false;
    for (index, (mark, line)) in marked.iter().enumerate() {
        if out.len() >= SHOWN {
            out.push(format!("  ... {} more lines", marked.len() - index));
            break;
        }
        if near(index) {
            if skipped {
                out.push("  ...".to_owned());
            }
            out.push(format!("{mark} {line}"));
            skipped = false;
        } else {
            skipped = true;
        }
    }
    out.join("\n")
}

/// The longest common lines, by the book.
fn compared<'a>(before: &[&'a str], after: &[&'a str]) -> Vec<(char, &'a str)> {
    let (rows, columns) = (before.len(), after.len());
    let mut length = vec![vec![0u32; columns + 1]; rows + 1];
    for i in (0..rows).rev() {
        for j in (0..columns).rev() {
            length[i][j] = if before[i] == after[j] {
                length[i + 1][j + 1] + 1
            } else {
                length[i + 1][j].max(length[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut marked) = (0, 0, Vec::new());
    while i < rows || j < columns {
        if i < rows && j < columns && before[i] == after[j] {
            marked.push((' ', before[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == columns || (i < rows && length[i + 1][j] >= length[i][j + 1]) {
            marked.push(('-', before[i]));
            i += 1;
        } else {
            marked.push(('+', after[j]));
            j += 1;
        }
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_shown() {
        let numbers = |odd: &str| {
            let lines: Vec<String> =
                (0..30).map(|n| if n == 15 { odd.to_owned() } else { n.to_string() }).collect();
            lines.join("\n")
        };
        assert_eq!(lines(&numbers("a"), &numbers("b")), "  ...\n  13\n  14\n- a\n+ b\n  16\n  17");
        assert_eq!(lines("a\nb", "a\nb"), "");
        assert!(lines(&"x\n".repeat(500), &"y\n".repeat(500)).ends_with("more lines"));
    }

    #[test]
    fn short_values_stand_on_one_line_each() {
        assert_eq!(unequal(&Plain::Number(429.0), &Plain::Number(200.0)), "expected 200\n     got 429");
        let long = |last: &str| Plain::Text(format!("{}{last}", "x".repeat(60)).into_bytes());
        assert!(unequal(&long("a"), &long("b")).contains("they part at byte 61"));
        let text = |text: &str| Plain::Text(text.as_bytes().to_vec());
        assert!(unequal(&text("a\nb"), &text("a\nc")).ends_with("  a\n- c\n+ b"));
    }
}
