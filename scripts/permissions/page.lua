-- The page at `/permissions`: it holds no data, reads it with the browser's own rights, and makes everything
-- it shows out of text, never out of HTML. One file, nothing from elsewhere.

local HTML = [==[<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Permissions - ccproxy</title>
<style nonce="NONCE">
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
article { border: 1px solid #8888; border-radius: .5rem; padding: .75rem 1rem; margin: 1rem 0; }
article:focus { outline: 3px solid #36c; }
h2 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; }
pre, textarea { font: .875rem/1.4 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; width: 100%; box-sizing: border-box; max-height: 20rem; overflow: auto; }
textarea { min-height: 8rem; }
button { font: inherit; padding: .25rem .75rem; margin: .25rem .5rem .25rem 0; }
.meta, #state { opacity: .8; font-size: .875rem; }
kbd { border: 1px solid #8888; border-radius: .25rem; padding: 0 .3em; }
</style>
</head>
<body>
<h1>Permissions</h1>
<p id="state" role="status" aria-live="polite">Connecting.</p>
<form id="login" hidden><label>Client key <input id="key" type="password" autocomplete="off"></label> <button>Connect</button></form>
<main id="list"></main>
<p class="meta"><kbd>j</kbd> <kbd>k</kbd> next and last, <kbd>y</kbd> allow, <kbd>n</kbd> deny, <kbd>a</kbd> always allow with these arguments, <kbd>e</kbd> edit</p>
<script nonce="NONCE">
"use strict";
const list = document.getElementById("list");
const state = document.getElementById("state");
const login = document.getElementById("login");
let key = "", last = "", shield = 0;
const open = new Map();

function headers(more) {
  return key ? Object.assign({ authorization: "Bearer " + key }, more) : more;
}
function make(name, text, kind) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  if (kind) element.className = kind;
  return element;
}
function say(text) { state.textContent = text; }
function count() { say(open.size === 0 ? "Nothing waits." : open.size + " waiting."); }

async function answer(id, body) {
  const entry = open.get(id);
  if (!entry || entry.busy) return;
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
  const area = make("textarea");
  area.value = JSON.stringify(entry.record.input, null, 2);
  area.setAttribute("aria-label", "Arguments");
  const send = make("button", "Allow with these arguments");
  send.onclick = () => {
    let input;
    try { input = JSON.parse(area.value); } catch (error) { say("These arguments are no JSON: " + error.message); return; }
    answer(id, { decision: "allow", input });
  };
  entry.area = area;
  entry.box.append(area, send);
  area.focus();
}
async function add(record) {
  if (open.has(record.id)) return;
  const box = make("article");
  const entry = { record, box, area: null, busy: false };
  open.set(record.id, entry);
  box.tabIndex = 0;
  box.dataset.id = record.id;
  box.append(make("h2", record.tool));
  const meta = make("p", undefined, "meta");
  const rest = make("span");
  meta.append(make("span", [record.source, record.client, record.session].filter(Boolean).join(", ") + " "), rest);
  entry.rest = rest;
  entry.until = performance.now() + 1000 * (record.expires_in || 0);
  const shown = make("pre", "");
  box.append(meta, shown);
  const actions = [
    ["Allow", () => answer(record.id, { decision: "allow" })],
    ["Deny", () => answer(record.id, { decision: "deny" })],
    ["Always allow with these arguments", () => answer(record.id, { decision: "allow", always: "exact" })],
    ["Edit", () => edit(record.id)],
  ];
  for (const [label, act] of actions) {
    const button = make("button", label);
    button.onclick = act;
    box.append(button);
  }
  list.append(box);
  if (open.size === 1) box.focus();
  count();
  if (record.input_cut) {
    const reply = await fetch("/permissions/" + encodeURIComponent(record.id), { headers: headers({}) });
    if (reply.ok) entry.record = await reply.json();
  }
  shown.textContent = JSON.stringify(entry.record.input, null, 2);
}
function drop(id) {
  const entry = open.get(id);
  if (!entry) return;
  const focused = entry.box.contains(document.activeElement);
  entry.box.remove();
  open.delete(id);
  // A key may still be meant for the one that was here.
  if (focused && list.firstElementChild) { list.firstElementChild.focus(); shield = performance.now() + 700; }
  count();
}
function take(name, data) {
  if (name === "snapshot") {
    const there = new Set(data.permissions.map((record) => record.id));
    for (const id of [...open.keys()]) if (!there.has(id)) drop(id);
    data.permissions.forEach(add);
    count();
  } else if (name === "request") add(data);
  else drop(data.id);
}
async function listen() {
  const reply = await fetch("/permissions/stream", { headers: headers(last ? { "last-event-id": last } : {}) });
  if (reply.status === 401) { login.hidden = false; document.getElementById("key").focus(); say("This proxy asks for its client key."); return false; }
  if (!reply.ok) throw new Error("status " + reply.status);
  login.hidden = true;
  count();
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
    try { if (!(await listen())) return; wait = 500; } catch (error) { say("The proxy does not answer; trying again."); }
    await new Promise((done) => setTimeout(done, wait));
  }
}
login.onsubmit = (event) => {
  event.preventDefault();
  key = document.getElementById("key").value;
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
  else if (event.key === "e") { edit(id); event.preventDefault(); }
});
setInterval(() => {
  for (const entry of open.values()) {
    entry.rest.textContent = Math.max(0, Math.ceil((entry.until - performance.now()) / 1000)) + " s left";
  }
}, 500);
run();
</script>
</body>
</html>
]==]

local function page()
  local nonce = ccproxy.crypto.base64url_encode(ccproxy.crypto.random_bytes(16))
  local policy = "default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; connect-src 'self'; "
    .. "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
  return {
    headers = {
      ["content-type"] = "text/html; charset=utf-8",
      ["content-security-policy"] = string.format(policy, nonce, nonce),
      ["x-content-type-options"] = "nosniff",
      ["referrer-policy"] = "no-referrer",
      ["cross-origin-opener-policy"] = "same-origin",
      ["cache-control"] = "no-store",
      vary = "accept",
    },
    body = (string.gsub(HTML, "NONCE", nonce)),
  }
end

return page
