-- Exchanges as they were on the wire, one JSON object a message: what `ccproxy plugins replay` reads.
-- Bodies are kept whole, since that is what it is for: prompts and answers are in the file. Credentials read `[redacted]`.

---@type { messages: integer, bytes: integer, full: boolean }
local written = { messages = 0, bytes = 0, full = false }

local matches = ccproxy.re.glob

local function body(event, line)
  local bytes = event.body
  if bytes == nil then
    return
  end
  if utf8.len(bytes) then
    line.body = bytes
  else
    line.body_base64 = ccproxy.crypto.base64_encode(bytes)
  end
  line.body_bytes = event.body_bytes
  if event.truncated then
    line.truncated = true
  end
end

local function write(line, event, config)
  local paths = config.paths
  if written.full or (#paths > 0 and not matches(paths, event.path)) then
    return
  end
  line.v = 1
  line.id, line.time, line.side, line.path = event.id, event.time, event.side, event.path
  local text = ccproxy.json.encode(line) .. "\n"
  if written.bytes + #text > config.max_size then
    written.full = true
    ccproxy.log.warn("the recording is full: nothing more is written", { max_size = config.max_size })
    return
  end
  local ok, err = ccproxy.file.append(config.file, text)
  if not ok then
    ccproxy.log.warn("a message was not recorded", { id = event.id, reason = tostring(err) })
    return
  end
  written.messages, written.bytes = written.messages + 1, written.bytes + #text
end

local function on_request(event, plugin)
  local line = { kind = "request", method = event.method, url = event.url, headers = event.headers }
  body(event, line)
  write(line, event, plugin.config)
end

local function on_response(event, plugin)
  local line = { kind = "response", status = event.status, headers = event.headers }
  body(event, line)
  write(line, event, plugin.config)
end

local function on_error(event, plugin)
  write(
    { kind = "error", phase = event.phase, error = event.error, message = event.message },
    event,
    plugin.config
  )
end

---@type ccproxy.Plugin
return {
  name = "recorder",
  version = "1.0.0",
  description = "Records exchanges, bodies included, for `ccproxy plugins replay`",
  enabled = false,
  capabilities = { "files", "wire" },
  config = {
    file = ccproxy.schema.path {
      default = "exchanges.jsonl",
      doc = "The file; the default is in the plugin's data folder",
    },
    max_size = ccproxy.schema.size {
      default = "64MiB",
      min = "1KiB",
      doc = "Nothing more is recorded beyond this size, counted from the start of the plugin",
    },
    paths = ccproxy.schema.list {
      of = ccproxy.schema.string(),
      default = {},
      doc = "When it names any, only these paths; `*` is any run of characters",
    },
  },
  hooks = {
    ["http.request"] = on_request,
    ["http.response"] = on_response,
    ["http.error"] = on_error,
  },
  setup = function(plugin, previous)
    written = previous or written
    ccproxy.log.warn("prompts and answers are recorded", { file = plugin.config.file })
  end,
  snapshot = function()
    return written
  end,
  health = function()
    return written.full and "warn" or "pass", written.messages .. " messages, " .. written.bytes .. " bytes"
  end,
  shutdown = function()
    ccproxy.file.flush()
  end,
}
