//! What changed between two texts, line by line.

/// One line of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// In both.
    Same(String),
    /// Only in the old text.
    Gone(String),
    /// Only in the new text.
    New(String),
}

/// Lines beyond which the whole is shown as replaced: the search takes their product.
const MOST: usize = 1000;

/// The lines of both texts, in order.
pub(super) fn diff(old: &str, new: &str) -> Vec<Line> {
    let old: Vec<&str> = old.lines().collect();
    let new: Vec<&str> = new.lines().collect();
    if old.len() > MOST || new.len() > MOST {
        let gone = old.iter().map(|line| Line::Gone((*line).to_owned()));
        return gone.chain(new.iter().map(|line| Line::New((*line).to_owned()))).collect();
    }
    // lengths[i][j]: the longest common subsequence of old[i..] and new[j..].
    let mut lengths = vec![vec![0u32; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            lengths[i][j] = if old[i] == new[j] {
                lengths[i + 1][j + 1] + 1
            } else {
                lengths[i + 1][j].max(lengths[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::new();
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            out.push(Line::Same(old[i].to_owned()));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && lengths[i + 1][j] >= lengths[i][j + 1]) {
            out.push(Line::Gone(old[i].to_owned()));
            i += 1;
        } else {
            out.push(Line::New(new[j].to_owned()));
            j += 1;
        }
    }
    out
}
