//! Paths into a document: `messages[1].content`, `tools[-1]["odd key"]`. Indices count from 1, as in Lua.

use std::fmt;

use super::MAX_DEPTH;
use super::json::Json;

/// A parsed path. The empty one is the whole document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Path(Box<[Segment]>);

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// A key of an object.
    Key(Box<str>),
    /// An item of an array: 1 is the first, -1 the last. Never 0.
    Index(i64),
}

/// Why a text is no path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathError(String);

impl Path {
    /// Reads a path: keys separated by dots, `[1]` for items, `["..."]` (a JSON string) for odd keys.
    pub fn parse(text: &str) -> Result<Path, PathError> {
        let mut segments = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (segment, after) = match rest.strip_prefix('[') {
                Some(inside) => bracket(inside),
                None => key(rest, segments.is_empty()),
            }
            .map_err(|why| PathError(format!("`{text}` is not a path: {why}")))?;
            segments.push(segment);
            rest = after;
        }
        if segments.len() > MAX_DEPTH {
            return Err(PathError(format!("a path of {} steps is deeper than {MAX_DEPTH}", segments.len())));
        }
        Ok(Path(segments.into()))
    }

    /// The steps from the top.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// This path and one step more.
    pub fn join(&self, segment: Segment) -> Path {
        Path(self.0.iter().cloned().chain([segment]).collect())
    }

    /// The path of the container, and the last step.
    pub fn split_last(&self) -> Option<(Path, &Segment)> {
        let (last, parents) = self.0.split_last()?;
        Some((Path(parents.into()), last))
    }
}

/// A key up to the next dot or bracket.
fn key(rest: &str, first: bool) -> Result<(Segment, &str), String> {
    let text = match rest.strip_prefix('.') {
        Some(after) if !first => after,
        Some(_) => return Err("it begins with a dot".into()),
        None if first => rest,
        None => return Err(format!("expected `.` or `[` before `{rest}`")),
    };
    let end = text.find(['.', '[', ']', '"']).unwrap_or(text.len());
    let (name, after) = text.split_at(end);
    match after.as_bytes().first() {
        _ if name.is_empty() => Err("a key is missing; write an empty or odd key as `[\"...\"]`".into()),
        Some(b']' | b'"') => Err(format!("stray `{}`; write an odd key as `[\"...\"]`", &after[..1])),
        _ => Ok((Segment::Key(name.into()), after)),
    }
}

/// What follows an opening bracket: an index or a quoted key, and the closing bracket.
fn bracket(inside: &str) -> Result<(Segment, &str), String> {
    if inside.starts_with('"') {
        let quoted = Json::prefix(inside.as_bytes()).ok_or("a quoted key does not end")?;
        let name = quoted.as_str().unwrap_or_default();
        let after = inside[quoted.range().end..].strip_prefix(']').ok_or("`]` is missing after a key")?;
        return Ok((Segment::Key(name.into()), after));
    }
    let (digits, after) = inside.split_once(']').ok_or("`]` is missing")?;
    match digits.parse::<i64>() {
        Ok(0) => Err("indices count from 1, or from -1 at the end".into()),
        Ok(index) if !digits.starts_with('+') => Ok((Segment::Index(index), after)),
        _ => Err(format!("`{digits}` is not an index; write a key as `[\"{digits}\"]`")),
    }
}

impl std::str::FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        Path::parse(text)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) if key.is_empty() || key.contains(['.', '[', ']', '"']) => {
                    let quoted = serde_json::to_string(key).map_err(|_| fmt::Error)?;
                    write!(f, "[{quoted}]")?;
                }
                Segment::Key(key) if place == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PathError {}
