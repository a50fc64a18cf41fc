-- How the page at `/permissions` looks, by day and by night.

return [==[
:root {
  color-scheme: light dark;
  --page: light-dark(#f5f6f8, #14161a); --card: light-dark(#fff, #1d2026); --line: light-dark(#d9dce3, #343943);
  --text: light-dark(#1b1e24, #e6e8ec); --quiet: light-dark(#5b6370, #9aa3b2); --code: light-dark(#f1f3f6, #14161a);
  --accent: light-dark(#2458c5, #86a9ff); --yes: light-dark(#1a7f43, #2f9d5b); --no: light-dark(#b3261e, #d0473f);
  --new: light-dark(#d9f2e1, #173a26); --gone: light-dark(#fbe0de, #46211f); --hurry: light-dark(#b15c00, #f0a848);
}
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; background: var(--page); color: var(--text); }
header { display: flex; align-items: baseline; gap: 1rem; flex-wrap: wrap; }
h1 { font-size: 1.4rem; margin: 0; }
#state { margin: 0; color: var(--quiet); }
#state::before { content: ""; display: inline-block; width: .6rem; height: .6rem; border-radius: 50%; margin-right: .5rem; background: var(--hurry); }
#state.on::before { background: var(--yes); }
#said { min-height: 1.5rem; margin: .5rem 0 0; overflow-wrap: anywhere; }
article { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; margin: 1rem 0; overflow: hidden; outline-offset: 1px; }
article:focus-within { outline: 3px solid var(--accent); }
.top { display: flex; gap: 1rem; align-items: baseline; padding: .75rem 1rem 0; }
h2 { font: 600 1.1rem/1.4 ui-monospace, monospace; margin: 0; flex: 1; overflow-wrap: anywhere; }
.left { white-space: nowrap; color: var(--quiet); font-variant-numeric: tabular-nums; }
.soon .left { color: var(--hurry); font-weight: 600; }
progress { display: block; width: 100%; height: 3px; border: 0; background: var(--line); accent-color: var(--accent); appearance: none; }
progress::-webkit-progress-bar { background: var(--line); }
progress::-webkit-progress-value { background: var(--accent); }
progress::-moz-progress-bar { background: var(--accent); }
.soon progress::-webkit-progress-value { background: var(--hurry); }
.soon progress::-moz-progress-bar { background: var(--hurry); }
.meta { margin: 0; padding: 0 1rem .5rem; color: var(--quiet); font-size: .875rem; overflow-wrap: anywhere; }
.arguments, .edit, .actions { padding: 0 1rem; }
h3 { font: 600 .8rem/1.4 ui-monospace, monospace; color: var(--quiet); margin: .6rem 0 .2rem; overflow-wrap: anywhere; }
pre, textarea { font: .875rem/1.45 ui-monospace, monospace; color: inherit; background: var(--code); border: 1px solid var(--line); border-radius: .4rem; margin: 0; padding: .5rem .6rem; width: 100%; max-height: 22rem; overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; direction: ltr; }
pre span { display: block; min-height: 1.45em; }
.new { background: var(--new); }
.gone { background: var(--gone); }
textarea { min-height: 9rem; resize: vertical; }
.hint { flex-basis: 100%; margin: 0; color: var(--hurry); font-size: .875rem; }
.actions { padding: .75rem 1rem 1rem; display: flex; flex-wrap: wrap; gap: .5rem; }
button { font: inherit; padding: .35rem .9rem; border: 1px solid var(--line); border-radius: .5rem; background: var(--card); color: inherit; cursor: pointer; }
button:hover { border-color: var(--accent); }
button:disabled { opacity: .5; cursor: default; }
.yes { background: var(--yes); border-color: var(--yes); color: #fff; }
.no { background: var(--no); border-color: var(--no); color: #fff; }
input { font: inherit; padding: .35rem .6rem; border: 1px solid var(--line); border-radius: .5rem; background: var(--card); color: inherit; }
#nothing { text-align: center; color: var(--quiet); padding: 3rem 1rem; border: 2px dashed var(--line); border-radius: .75rem; margin: 1rem 0; }
footer { color: var(--quiet); font-size: .875rem; }
kbd { font: .8em ui-monospace, monospace; border: 1px solid var(--line); border-bottom-width: 2px; border-radius: .25rem; padding: 0 .35em; background: var(--card); color: var(--text); }
[hidden] { display: none; }
]==]
