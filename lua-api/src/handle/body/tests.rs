use parking_lot::Mutex;

use super::*;
use crate::handle::DeadHandle;

struct Slot {
    document: Mutex<Document>,
    access: BodyAccess,
    alive: bool,
}

impl BodySlot for Slot {
    fn with(&self, f: &mut dyn FnMut(&mut Document)) -> Result<(), DeadHandle> {
        if !self.alive {
            return Err(DeadHandle("the exchange is over".to_owned()));
        }
        f(&mut self.document.lock());
        Ok(())
    }

    fn edit(&self, f: &mut dyn FnMut(&mut Document)) -> Result<(), DeadHandle> {
        self.with(f)
    }

    fn access(&self) -> BodyAccess {
        self.access
    }
}

fn vm(text: &'static str, access: BodyAccess, alive: bool) -> (Lua, Arc<Slot>) {
    let lua = Lua::new();
    bound(&lua, 1 << 20);
    let document = Mutex::new(Document::new(Bytes::from_static(text.as_bytes())));
    let slot = Arc::new(Slot { document, access, alive });
    lua.globals().set("body", BodyHandle::new(slot.clone())).expect("a global");
    lua.globals().set("null", Value::NULL).expect("a global");
    lua.load(include_str!("../../../tests/lua/support.lua")).exec().expect("support");
    (lua, slot)
}

#[test]
fn a_script_reads_and_edits_by_path() {
    let text = r#" {"model" : "a","messages":[{"role":"user","content":"hi"},{"role":"x","content":[]}],
        "id":9007199254740993, "n":1.50, "none":null, "odd.key":{"b":1,"a":2}}"#;
    let (lua, slot) = vm(text, BodyAccess::Write, true);
    if let Err(error) = lua.load(include_str!("../../../tests/lua/body.lua")).set_name("@body.lua").exec() {
        panic!("{error}");
    }
    let after = text
        .replace("\"a\",\"messages\"", "\"b\",\"messages\"")
        .replace("\"hi\"", "\"ho\"")
        .replace("[]}]", "[{\"list\":[]}]}]")
        .replace("\"n\":1.50, ", "\"n\":1e2, ")
        .replace(", \"none\":null", "");
    assert_eq!(String::from_utf8_lossy(slot.document.lock().bytes()), after);
}

#[test]
fn permission_and_death_are_errors_with_words() {
    for (access, alive, call, expected) in [
        (BodyAccess::None, true, "body:get('a')", "may not see bodies; write `body = \"read\"`"),
        (BodyAccess::None, true, "body:set('a', 1)", "may not change bodies; write `body = \"write\"`"),
        (BodyAccess::Read, true, "body:set('a', 1)", "may not change bodies; write `body = \"write\"`"),
        (BodyAccess::Read, true, "body:delete('a')", "may not change bodies"),
        (BodyAccess::Write, false, "body:get('a')", "the exchange is over"),
        (BodyAccess::Write, false, "body:set('a', 1)", "the exchange is over"),
    ] {
        let (lua, slot) = vm("{}", access, alive);
        let error = lua.load(call).exec().expect_err("it raises").to_string();
        assert!(error.contains(expected), "{call}: {error}");
        assert!(!slot.document.lock().edited());
    }
}

#[test]
fn a_body_that_is_not_json_is_text() {
    let (lua, slot) = vm("plain text", BodyAccess::Write, true);
    let check = "equal(body:text(), 'plain text') equal(body:size(), 10) equal(body:table(), nil)
        equal(body:get('a', 5), 5) equal(body:kind(), nil) equal(body:len('a'), nil)
        for _ in body:each('a') do error('nothing is here') end
        raises('not valid JSON', body.set, body, 'a', 1)";
    if let Err(error) = lua.load(check).exec() {
        panic!("{error}");
    }
    assert!(!slot.document.lock().edited());
}
