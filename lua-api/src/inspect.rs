//! Values as a person reads them: `{ model = "m1", 1, 2 }`.

use mlua::Value;

/// Deepest table that is opened.
const DEEPEST: usize = 5;
/// Most entries of one table that are shown.
const ENTRIES: usize = 100;
/// Longest text altogether, in bytes.
const LONGEST: usize = 32 << 10;
/// A table shorter than this stands on one line.
const LINE: usize = 80;

/// The text of a value.
pub(crate) fn inspect(value: &Value) -> String {
    let mut left = LONGEST;
    shown(value, 0, &mut left)
}

fn shown(value: &Value, depth: usize, left: &mut usize) -> String {
    let text = match value {
        Value::String(text) => quoted(&text.as_bytes()),
        Value::Table(table) if depth < DEEPEST && *left > 0 => return opened(table, depth, left),
        Value::Table(_) => "{ ... }".to_owned(),
        // What a script's own `tostring` would say is not asked: it may do anything.
        Value::UserData(_) => match value.to_string() {
            Ok(text) => format!("<{text}>"),
            Err(error) => format!("<{}>", crate::fault::cause_text(&error)),
        },
        value if value.is_null() => "ccproxy.null".to_owned(),
        Value::Function(_) => "function".to_owned(),
        Value::Thread(_) => "coroutine".to_owned(),
        other => other.to_string().unwrap_or_else(|_| other.type_name().to_owned()),
    };
    *left = left.saturating_sub(text.len());
    text
}

fn quoted(bytes: &[u8]) -> String {
    let clipped = &bytes[..bytes.len().min(4096)];
    let text = String::from_utf8_lossy(clipped);
    let more = if clipped.len() < bytes.len() { "..." } else { "" };
    format!("{text:?}{more}")
}

fn opened(table: &mlua::Table, depth: usize, left: &mut usize) -> String {
    let length = table.raw_len();
    let (mut items, mut named, mut more) = (Vec::new(), Vec::new(), 0usize);
    for pair in table.pairs::<Value, Value>().flatten() {
        if items.len() + named.len() >= ENTRIES || *left == 0 {
            more += 1;
            continue;
        }
        match &pair.0 {
            Value::Integer(at) if (1..=length as i64).contains(at) => {
                items.push((*at, shown(&pair.1, depth + 1, left)));
            }
            key => {
                let name = match key {
                    Value::String(text) if is_name(&text.as_bytes()) => text.to_string_lossy(),
                    key => format!("[{}]", shown(key, DEEPEST, left)),
                };
                named.push(format!("{name} = {}", shown(&pair.1, depth + 1, left)));
            }
        }
    }
    items.sort();
    named.sort();
    let mut parts: Vec<String> = items.into_iter().map(|(_, text)| text).chain(named).collect();
    if more > 0 {
        parts.push(format!("... {more} more"));
    }
    let line = parts.join(", ");
    match (parts.is_empty(), line.len() <= LINE && !line.contains('\n')) {
        (true, _) => "{}".to_owned(),
        (_, true) => format!("{{ {line} }}"),
        _ => {
            let indent = "  ".repeat(depth + 1);
            let lines: String = parts.iter().map(|part| format!("{indent}{part},\n")).collect();
            format!("{{\n{lines}{}}}", "  ".repeat(depth))
        }
    }
}

fn is_name(bytes: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    bytes.first().is_some_and(|first| !first.is_ascii_digit()) && bytes.iter().all(plain)
}

#[cfg(test)]
mod tests {
    use mlua::Lua;

    use super::*;

    #[test]
    fn values_read_as_they_are_written() {
        let lua = Lua::new();
        let text = |code: &str| inspect(&lua.load(code).eval::<Value>().expect("a value"));
        assert_eq!(text("return { 1, 'a', b = { c = true } }"), r#"{ 1, "a", b = { c = true } }"#);
        assert_eq!(text("return { ['x-y'] = 1, [2.5] = 'n' }"), r#"{ ["x-y"] = 1, [2.5] = "n" }"#);
        assert_eq!(
            (text("return {}"), text("return nil"), text("return print")),
            ("{}".into(), "nil".into(), "function".into())
        );
        assert_eq!(inspect(&Value::NULL), "ccproxy.null");
        let wide = text("local t = {} for i = 1, 150 do t[i] = string.rep('x', 10) end return t");
        assert!(wide.contains("... 50 more") && wide.lines().count() > 50, "{wide}");
        let around = text("local t = {} t.t = t return t");
        assert!(around.contains("{ ... }"), "{around}");
        assert!(text("return string.rep('x', 100000)").len() < 5000);
    }
}
