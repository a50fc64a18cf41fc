-- The page at `/permissions`: it holds no data, reads it with the browser's own rights, and makes everything
-- it shows out of text, never out of HTML. One document, nothing from elsewhere.

local script = require("page_script")
local style = require("page_style")

local HTML = [==[<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Permissions - ccproxy</title>
<link rel="icon" href="data:,">
<style nonce="NONCE">STYLE</style>
</head>
<body>
<header><h1>Permissions</h1><p id="state" role="status" aria-live="polite">Connecting</p></header>
<p id="said" role="status" aria-live="polite"></p>
<form id="login" hidden><label>Client key <input id="key" type="password" autocomplete="off"></label> <button>Connect</button></form>
<main id="list"></main>
<p id="nothing" hidden>Nothing waits. Tool calls that need you appear here by themselves.</p>
<footer><kbd>j</kbd> <kbd>k</kbd> next and last &nbsp; <kbd>y</kbd> allow &nbsp; <kbd>n</kbd> deny &nbsp; <kbd>e</kbd> edit &nbsp;
<kbd>a</kbd> always, these arguments &nbsp; <kbd>A</kbd> always, this tool</footer>
<script nonce="NONCE">SCRIPT</script>
</body>
</html>
]==]

local PARTS = { STYLE = style, SCRIPT = script }
HTML = string.gsub(HTML, "%u%u%u%u%u+", PARTS)

local function page()
  local nonce = ccproxy.crypto.base64url_encode(ccproxy.crypto.random_bytes(16))
  local policy = "default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; connect-src 'self'; "
    .. "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
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
