-- The wire as it was, on the client's and on the provider's side: one file for each exchange.
-- Credentials read `[redacted]` before this plugin sees them; bodies hold prompts and answers.

local message = require("message")
local redactor = require("redact").redactor

local matches = ccproxy.re.glob

-- Both sides go by the client's path.
local function wanted(event, config)
  if not config[event.side] or matches(config.exclude_paths, event.path) then
    return false
  end
  return #config.include_paths == 0 or matches(config.include_paths, event.path)
end

local function write(event, text)
  local day = os.date("!%Y-%m-%d", math.floor(event.time))
  local ok, err = ccproxy.file.append(day .. "/" .. event.id .. ".http", text)
  if not ok then
    ccproxy.log.warn("a message was not written", { id = event.id, reason = tostring(err) })
  end
end

local redact

local function on_request(event, plugin)
  if wanted(event, plugin.config) then
    local first = event.method .. " " .. event.url
    write(event, message.render(event, plugin.config, redact, "request", first))
  end
end

local function on_response(event, plugin)
  if wanted(event, plugin.config) then
    write(event, message.render(event, plugin.config, redact, "response", tostring(event.status)))
  end
end

local function on_error(event, plugin)
  if wanted(event, plugin.config) then
    local said = string.format("%s (%s): %s", event.error, event.phase, event.message)
    write(event, string.format("### %s %s error\n%s\n\n", ccproxy.time.iso(event.time), event.side, said))
  end
end

-- Removes the days that are over. Folders go when they are empty.
local function sweep(plugin)
  local oldest = os.date("!%Y-%m-%d", os.time() - plugin.config.keep_days * 86400)
  for _, day in ipairs(ccproxy.file.list()) do
    if string.match(day, "^%d%d%d%d%-%d%d%-%d%d$") and day < oldest then
      for _, name in ipairs(ccproxy.file.list(day)) do
        ccproxy.file.remove(day .. "/" .. name)
      end
      ccproxy.file.remove(day)
    end
  end
end

---@type ccproxy.Plugin
return {
  name = "raw_http_logger",
  version = "1.0.0",
  description = "Writes requests and answers as they were on the wire, without credentials",
  enabled = false,
  capabilities = { "files", "wire" },
  config = {
    client = ccproxy.schema.boolean { default = true, doc = "Whether the client's side is written" },
    provider = ccproxy.schema.boolean { default = true, doc = "Whether the provider's side is written" },
    bodies = ccproxy.schema.boolean { default = true, doc = "Whether bodies are written: they hold prompts" },
    max_body = ccproxy.schema.size { default = "256KiB", max = "512KiB", doc = "Most bytes of each body" },
    redact_patterns = ccproxy.schema.list {
      of = ccproxy.schema.string { min_length = 1 },
      default = {},
      doc = "Regular expressions of more that is to read `[redacted]` in bodies",
    },
    include_paths = ccproxy.schema.list {
      of = ccproxy.schema.string(),
      default = {},
      doc = "When it names any, only these paths; `*` is any run of characters",
    },
    exclude_paths = ccproxy.schema.list {
      of = ccproxy.schema.string(),
      default = { "/health*", "/plugins*" },
      doc = "Paths that are not written",
    },
    keep_days = ccproxy.schema.integer { default = 7, min = 1, max = 365, doc = "Days after which files go" },
  },
  hooks = {
    ["http.request"] = on_request,
    ["http.response"] = on_response,
    ["http.error"] = on_error,
  },
  tasks = {
    { name = "sweep", every = "1h", at_start = true, run = sweep },
  },
  setup = function(plugin)
    redact = redactor(plugin.config.redact_patterns)
  end,
  shutdown = function()
    ccproxy.file.flush()
  end,
}
