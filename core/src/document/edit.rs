//! Edits of a document: find the place, validate what comes in, splice once.

use std::fmt;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::entries::{Entry, key_is};
use super::json::{Json, Kind};
use super::path::{Path, Segment};
use super::scan;

/// Why an edit was refused. The document is as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditError(String);

impl EditError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        EditError(message.into())
    }
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for EditError {}

/// The bytes with `json` at `path`.
pub(super) fn set(bytes: &Bytes, path: &Path, json: &[u8]) -> Result<Bytes, EditError> {
    let json = accept(json, path.segments().len())?;
    let Some((parent, last)) = path.split_last() else { return Ok(Bytes::copy_from_slice(json)) };
    let container = container(bytes, &parent, path)?;
    let entries: Vec<Entry> = container.entries().collect();
    match (last, container.kind()) {
        (Segment::Key(key), Kind::Object) => {
            let same = matching(bytes, &entries, key);
            let Some((last, repeats)) = same.split_last() else {
                let mut text = serde_json::to_vec(key).map_err(|error| EditError::new(error.to_string()))?;
                text.push(b':');
                text.extend_from_slice(json);
                return Ok(insert_last(bytes, &container, &entries, &text));
            };
            let mut changes = cuts(&entries, repeats);
            changes.push((entries[*last].value.clone(), json));
            Ok(splice(bytes, &changes))
        }
        (Segment::Index(index), Kind::Array) => match place(*index, entries.len()) {
            Some(place) if place < entries.len() => {
                Ok(splice(bytes, &[(entries[place].value.clone(), json)]))
            }
            Some(_) => Ok(insert_last(bytes, &container, &entries, json)),
            None => Err(EditError(format!("`{path}`: there are {} items", entries.len()))),
        },
        (segment, kind) => Err(mismatch(path, segment, kind)),
    }
}

/// The bytes without what is at `path`; `None` when nothing is.
pub(super) fn delete(bytes: &Bytes, path: &Path) -> Result<Option<Bytes>, EditError> {
    let Some((parent, last)) = path.split_last() else {
        return Err(EditError::new("the whole document cannot be deleted; set it to `null` or `{}`"));
    };
    let Some(container) = find(bytes, &parent) else { return Ok(None) };
    let entries: Vec<Entry> = container.entries().collect();
    let places = match (last, container.kind()) {
        (Segment::Key(key), Kind::Object) => matching(bytes, &entries, key),
        (Segment::Index(index), Kind::Array) => {
            place(*index, entries.len()).filter(|place| *place < entries.len()).into_iter().collect()
        }
        _ => return Ok(None),
    };
    Ok((!places.is_empty()).then(|| splice(bytes, &cuts(&entries, &places))))
}

/// The bytes with `json` at the end of the array at `path`.
pub(super) fn append(bytes: &Bytes, path: &Path, json: &[u8]) -> Result<Bytes, EditError> {
    let json = accept(json, path.segments().len() + 1)?;
    let array = container(bytes, path, path)?;
    if array.kind() != Kind::Array {
        return Err(EditError(format!("`{path}` is {}, not an array", array.kind().name())));
    }
    let entries: Vec<Entry> = array.entries().collect();
    Ok(insert_last(bytes, &array, &entries, json))
}

/// The text without white space around it, if it is one value that fits `outer` levels deep.
fn accept(json: &[u8], outer: usize) -> Result<&[u8], EditError> {
    scan::document(json, outer)
        .map_err(|fault| EditError(format!("the value is not valid JSON: {}", fault.place(json))))?;
    Ok(json.trim_ascii())
}

fn find<'a>(bytes: &'a [u8], path: &Path) -> Option<Json<'a>> {
    path.segments().iter().try_fold(Json::trimmed(bytes), |value, segment| value.child(segment))
}

fn container<'a>(bytes: &'a [u8], parent: &Path, path: &Path) -> Result<Json<'a>, EditError> {
    let named = || match parent.segments().is_empty() {
        true => "the document".to_owned(),
        false => format!("`{parent}`"),
    };
    let found = find(bytes, parent)
        .ok_or_else(|| EditError(format!("`{path}`: {} does not exist; set it first", named())))?;
    match found.is_container() {
        true => Ok(found),
        false => Err(EditError(format!("`{path}`: {} is {}", named(), found.kind().name()))),
    }
}

fn mismatch(path: &Path, segment: &Segment, kind: Kind) -> EditError {
    let wanted = match segment {
        Segment::Key(_) => "a key needs an object; write an index as `[1]`",
        Segment::Index(_) => "an index needs an array",
    };
    EditError(format!("`{path}`: its container is {}, and {wanted}", kind.name()))
}

/// Places of the entries with this key, ascending.
fn matching(bytes: &[u8], entries: &[Entry], key: &str) -> Vec<usize> {
    let with_key = entries.iter().enumerate().filter(|(_, entry)| key_is(bytes, &entry.key, key));
    with_key.map(|(place, _)| place).collect()
}

/// The place from 0 of an index from 1 or -1; one past the end is a place, further is none.
fn place(index: i64, len: usize) -> Option<usize> {
    match usize::try_from(index) {
        Ok(index) => index.checked_sub(1).filter(|place| *place <= len),
        Err(_) => len.checked_sub(usize::try_from(index.unsigned_abs()).ok()?),
    }
}

/// What to cut so that the entries at these ascending places are gone, each with one comma.
fn cuts(entries: &[Entry], places: &[usize]) -> Vec<(Range<usize>, &'static [u8])> {
    if places.len() == entries.len() {
        let ends = entries.first().zip(entries.last());
        return ends.map(|(first, last)| (first.start()..last.value.end, &b""[..])).into_iter().collect();
    }
    let mut kept_before = false;
    let mut previous = None;
    let mut ranges = Vec::with_capacity(places.len() + 1);
    for place in places {
        kept_before |= *place > previous.map_or(0, |previous: usize| previous + 1);
        let range = match kept_before {
            true => entries[place - 1].value.end..entries[*place].value.end,
            false => entries[*place].start()..entries[place + 1].start(),
        };
        ranges.push((range, &b""[..]));
        previous = Some(*place);
    }
    ranges
}

fn insert_last(bytes: &[u8], container: &Json<'_>, entries: &[Entry], text: &[u8]) -> Bytes {
    match entries.last() {
        None => {
            let inside = container.range().start + 1;
            splice(bytes, &[(inside..inside, text)])
        }
        Some(last) => {
            let end = last.value.end;
            splice(bytes, &[(end..end, b","), (end..end, text)])
        }
    }
}

/// One copy of the bytes with these ascending ranges replaced.
fn splice(bytes: &[u8], changes: &[(Range<usize>, &[u8])]) -> Bytes {
    let added: usize = changes.iter().map(|(_, text)| text.len()).sum();
    let mut spliced = BytesMut::with_capacity(bytes.len() + added);
    let mut from = 0;
    for (range, text) in changes {
        spliced.extend_from_slice(&bytes[from..range.start]);
        spliced.extend_from_slice(text);
        from = range.end;
    }
    spliced.extend_from_slice(&bytes[from..]);
    spliced.freeze()
}
