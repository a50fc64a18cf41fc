-- What the page at `/permissions` does: it hears the stream of events, shows what waits, and sends what the person says.

return [==[
"use strict";
const list = document.getElementById("list");
const state = document.getElementById("state");
const said = document.getElementById("said");
const nothing = document.getElementById("nothing");
const login = document.getElementById("login");
const field = document.getElementById("key");
// Lines of a text beyond which its difference to another is not looked for, but all of it is shown as changed.
const MOST = 500;
// How long a key may still be meant for what was there before.
const SHIELD = 700;
let key = "", last = "", shield = 0;
const open = new Map();

function headers(more) {
  return key ? Object.assign({ authorization: "Bearer " + key }, more) : more;
}
// Spells out what cannot be seen, or would make text look like other text.
function plain(text) {
  return String(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (letter) => "\\u{" + letter.charCodeAt(0).toString(16) + "}");
}
function make(name, text, kind) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = plain(text);
  if (kind) element.className = kind;
  return element;
}
function pretty(value) { return JSON.stringify(value, null, 2); }
function say(text) { said.textContent = plain(text); }
function connected(on, text) {
  state.className = on ? "on" : "";
  state.textContent = text || (open.size === 0 ? "Connected" : open.size + " waiting");
  nothing.hidden = !on || open.size > 0;
  document.title = (open.size > 0 ? "(" + open.size + ") " : "") + "Permissions - ccproxy";
}

// The lines of both texts, each with what became of it.
function difference(before, after) {
  const old = before.split("\n"), fresh = after.split("\n"), out = [];
  if (old.length > MOST || fresh.length > MOST) {
    return [...old.map((line) => ["gone", line]), ...fresh.map((line) => ["new", line])];
  }
  const common = Array.from({ length: old.length + 1 }, () => new Uint16Array(fresh.length + 1));
  for (let i = old.length - 1; i >= 0; i--) for (let j = fresh.length - 1; j >= 0; j--) {
    common[i][j] = old[i] === fresh[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
  }
  let i = 0, j = 0;
  while (i < old.length || j < fresh.length) {
    if (i < old.length && j < fresh.length && old[i] === fresh[j]) { out.push(["same", old[i]]); i++; j++; }
    else if (j === fresh.length || (i < old.length && common[i + 1][j] >= common[i][j + 1])) out.push(["gone", old[i++]]);
    else out.push(["new", fresh[j++]]);
  }
  return out;
}
function changes(before, after) {
  const box = make("pre", undefined, "changes");
  const signs = { same: "  ", gone: "- ", new: "+ " };
  for (const [kind, line] of difference(before, after)) box.append(make("span", signs[kind] + line, kind));
  return box;
}
// Arguments by their names; a replacement of text as what it changes.
function show(input) {
  const box = make("div", undefined, "arguments");
  if (input === null || typeof input !== "object" || Array.isArray(input)) {
    box.append(make("pre", typeof input === "string" ? input : pretty(input)));
    return box;
  }
  const replaces = typeof input.old_string === "string" && typeof input.new_string === "string";
  for (const [name, value] of Object.entries(input)) {
    if (replaces && (name === "old_string" || name === "new_string")) continue;
    box.append(make("h3", name), make("pre", typeof value === "string" ? value : pretty(value)));
  }
  if (replaces) box.append(make("h3", "old_string, new_string"), changes(input.old_string, input.new_string));
  if (!box.firstChild) box.append(make("p", "No arguments.", "meta"));
  return box;
}

// What stands in a box that scrolls is not allowed before its end was there to be read.
function watch(entry, shown) {
  const look = () => {
    entry.unread = entry.unread.filter((box) => box.scrollTop + box.clientHeight < box.scrollHeight - 2);
    for (const allow of entry.allows) allow.disabled = entry.unread.length > 0;
    entry.hint.hidden = entry.unread.length === 0;
  };
  entry.unread = [...shown.querySelectorAll("pre")];
  look();
  for (const box of entry.unread) { box.tabIndex = 0; box.onscroll = look; }
}

async function answer(id, body) {
  const entry = open.get(id);
  if (!entry || entry.busy) return;
  // What has not been seen is not decided about, except to refuse it.
  if (body.decision === "allow" && !entry.seen) { say("The arguments are not here yet."); return; }
  if (body.decision === "allow" && entry.unread.length > 0) { say("There is more to read first: scroll the arguments to their end."); return; }
  entry.busy = true;
  try {
    const reply = await fetch("/permissions/" + encodeURIComponent(id) + "/respond", {
      method: "POST", headers: headers({ "content-type": "application/json" }), body: JSON.stringify(body),
    });
    const told = await reply.json();
    if (!reply.ok) { say(told.error.message); if (reply.status === 409 || reply.status === 404) drop(id); }
    else if (told.problem) say("Decided; no rule was written: " + told.problem);
  } catch (error) { say("The proxy does not answer."); }
  entry.busy = false;
}
function edit(id) {
  const entry = open.get(id);
  if (!entry || entry.area) return;
  if (!entry.seen) { say("The arguments are not here yet."); return; }
  const box = make("div", undefined, "edit"), area = make("textarea"), row = make("div", undefined, "actions");
  const before = pretty(entry.record.input);
  let compared = make("pre");
  compared.hidden = true;
  area.value = before;
  area.spellcheck = false;
  area.setAttribute("aria-label", "Arguments");
  const shut = () => { box.remove(); entry.area = null; entry.box.focus(); };
  const submit = () => {
    let input;
    try { input = JSON.parse(area.value); } catch (error) { say("These arguments are no JSON: " + error.message); return; }
    answer(id, { decision: "allow", input });
  };
  area.oninput = () => {
    const now = changes(before, area.value);
    now.hidden = area.value === before;
    compared.replaceWith(now);
    compared = now;
  };
  area.onkeydown = (event) => {
    if (event.key === "Escape") shut();
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit();
  };
  row.append(button("Allow with these arguments", submit, "yes"), button("Cancel", shut));
  box.append(make("h3", "other arguments"), area, make("h3", "what changes"), compared, row);
  entry.area = area;
  entry.box.append(box);
  area.focus();
}
function button(label, act, kind) {
  const element = make("button", label, kind);
  element.type = "button";
  element.onclick = act;
  return element;
}
async function add(record) {
  if (open.has(record.id)) return;
  const id = record.id, box = make("article"), top = make("div", undefined, "top"), row = make("div", undefined, "actions");
  const entry = { record, box, area: null, busy: false, seen: false, unread: [], allows: [], hint: make("p", "Scroll the arguments to their end to allow them.", "hint"), left: make("span", "", "left"), bar: make("progress") };
  open.set(id, entry);
  box.tabIndex = 0;
  box.dataset.id = id;
  entry.until = performance.now() + 1000 * (record.expires_in || 0);
  entry.bar.max = Math.max(1, record.expires - record.created || record.expires_in || 1);
  entry.bar.setAttribute("aria-hidden", "true");
  top.append(make("h2", record.tool), entry.left);
  let shown = make("div", "They are being fetched.", "arguments");
  entry.hint.hidden = true;
  entry.allows = [
    button("Allow", () => answer(id, { decision: "allow" }), "yes"),
    button("Always, these arguments", () => answer(id, { decision: "allow", always: "exact" })),
    button("Always, this tool", () => answer(id, { decision: "allow", always: "tool" }))];
  const [once, exact, tool] = entry.allows;
  row.append(once, button("Deny", () => answer(id, { decision: "deny" }), "no"), button("Edit", () => edit(id)), exact, tool, entry.hint);
  box.append(entry.bar, top, make("p", [record.source, record.client, record.session, record.path].filter(Boolean).join(" \u00b7 "), "meta"), shown, row);
  list.append(box);
  tick(entry);
  // Who looks at nothing looks at this now; a key that was on its way is not meant for it.
  if (open.size === 1 && !document.activeElement.matches("input")) { box.focus(); shield = performance.now() + SHIELD; }
  connected(true);
  if (record.input_cut) {
    try {
      const reply = await fetch("/permissions/" + encodeURIComponent(id), { headers: headers({}) });
      if (!reply.ok) return;
      entry.record = await reply.json();
    } catch (error) { return; }
  }
  const whole = show(entry.record.input);
  shown.replaceWith(whole);
  entry.seen = true;
  watch(entry, whole);
}
function drop(id) {
  const entry = open.get(id);
  if (!entry) return;
  const focused = entry.box.contains(document.activeElement);
  entry.box.remove();
  open.delete(id);
  // A key may still be meant for the one that was here.
  if (focused && list.firstElementChild) { list.firstElementChild.focus(); shield = performance.now() + SHIELD; }
  connected(true);
}
function take(name, data) {
  if (name === "snapshot") {
    const there = new Set(data.permissions.map((record) => record.id));
    for (const id of [...open.keys()]) if (!there.has(id)) drop(id);
    data.permissions.forEach(add);
    connected(true);
  } else if (name === "request") add(data);
  else { if (open.has(data.id)) say(data.tool + ": " + data.status); drop(data.id); }
}
async function listen() {
  const reply = await fetch("/permissions/stream", { headers: headers(last ? { "last-event-id": last } : {}) });
  if (reply.status === 401) {
    login.hidden = false;
    field.focus();
    connected(false, key ? "This is not the client key of this proxy" : "This proxy asks for its client key");
    return false;
  }
  if (!reply.ok) throw new Error("status " + reply.status);
  login.hidden = true;
  connected(true);
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return true;
    buffer += value;
    let end;
    while ((end = buffer.indexOf("\n\n")) >= 0) {
      const lines = buffer.slice(0, end).split("\n");
      buffer = buffer.slice(end + 2);
      let name = "", data = "";
      for (const line of lines) {
        if (line.startsWith("event: ")) name = line.slice(7);
        else if (line.startsWith("data: ")) data += line.slice(6);
        else if (line.startsWith("id: ")) last = line.slice(4);
      }
      if (data) take(name, JSON.parse(data));
    }
  }
}
async function run() {
  for (let wait = 500; ; wait = Math.min(wait * 2, 10000)) {
    try { if (!(await listen())) return; wait = 500; } catch (error) { /* Said below. */ }
    connected(false, "The proxy does not answer; trying again");
    await new Promise((done) => setTimeout(done, wait));
  }
}
login.onsubmit = (event) => {
  event.preventDefault();
  key = field.value;
  run();
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(TEXTAREA|INPUT)$/.test(event.target.tagName)) return;
  const boxes = [...list.children];
  if (boxes.length === 0) return;
  let at = boxes.findIndex((box) => box.contains(document.activeElement));
  if (event.key === "j" || event.key === "k") {
    at = event.key === "j" ? Math.min(at + 1, boxes.length - 1) : Math.max(at - 1, 0);
    boxes[at].focus();
    event.preventDefault();
    return;
  }
  // A key decides only about the request that is looked at.
  if (at < 0 || event.repeat || performance.now() < shield) return;
  const id = boxes[at].dataset.id;
  if (event.key === "y") answer(id, { decision: "allow" });
  else if (event.key === "n") answer(id, { decision: "deny" });
  else if (event.key === "a") answer(id, { decision: "allow", always: "exact" });
  else if (event.key === "A") answer(id, { decision: "allow", always: "tool" });
  else if (event.key === "e") { edit(id); event.preventDefault(); }
});
function tick(entry) {
  const left = Math.max(0, Math.ceil((entry.until - performance.now()) / 1000));
  entry.left.textContent = left + " s left";
  entry.bar.value = left;
  entry.box.classList.toggle("soon", left <= 10);
}
setInterval(() => open.forEach(tick), 500);
run();
]==]
