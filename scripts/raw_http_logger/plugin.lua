-- The wire as it was, on the client's and on the provider's side: one file for each exchange.
-- Credentials read `[redacted]` before this plugin sees them; bodies hold prompts and answers.

local function matches(patterns, path)
  for _, pattern in patterns do
    local stem = string.match(pattern, "^(.*)%*$")
    if path == pattern or (stem and string.sub(path, 1, #stem) == stem) then
      return true
    end
  end
  return false
end

local function wanted(config, path)
  if matches(config.exclude_paths, path) then
    return false
  end
  return #config.include_paths == 0 or matches(config.include_paths, path)
end

local function head(headers)
  local names = {}
  for name in headers do
    table.insert(names, name)
  end
  table.sort(names)
  local lines = {}
  for _, name in names do
    local values = headers[name]
    for _, value in (type(values) == "table" and values or { values }) do
      table.insert(lines, name .. ": " .. value)
    end
  end
  return table.concat(lines, "\n")
end

local function body(event, config)
  local bytes = event.body
  if not config.bodies or bytes == nil then
    return event.body_bytes > 0 and string.format("[%d bytes]", event.body_bytes) or ""
  end
  local limit = config.max_body
  if #bytes > limit or event.truncated then
    return string.sub(bytes, 1, limit) .. string.format("\n[%d of %d bytes]", math.min(#bytes, limit), event.body_bytes)
  end
  return bytes
end

-- Exchanges whose path is not wanted: the client's request comes first and decides for all its messages.
local left_out = {}

local function write(event, config, title, first)
  local name = string.format("%s/%s.http", os.date("!%Y-%m-%d", math.floor(event.time)), event.id)
  local text = string.format(
    "### %s %s %s\n%s\n%s\n\n%s\n\n",
    ccproxy.time.iso(event.time),
    event.side,
    title,
    first,
    head(event.headers),
    body(event, config)
  )
  local ok, err = ccproxy.file.append(name, text)
  if not ok then
    ccproxy.log.warn("a message was not written", { reason = tostring(err) })
  end
end

local function on_request(event, plugin)
  if event.side == "client" and not wanted(plugin.config, string.match(event.url, "^[^?]*")) then
    left_out[event.id] = true
  end
  if plugin.config[event.side] and not left_out[event.id] then
    write(event, plugin.config, "request", event.method .. " " .. event.url)
  end
end

local function on_response(event, plugin)
  if plugin.config[event.side] and not left_out[event.id] then
    write(event, plugin.config, "response", tostring(event.status))
  end
end

local function forget(event)
  left_out[event.id] = nil
end

---@type ccproxy.Plugin
return {
  name = "raw_http_logger",
  version = "1.0.0",
  description = "Writes requests and answers as they were on the wire, without credentials",
  enabled = false,
  capabilities = { "files", "wire" },
  config = {
    client = ccproxy.schema.boolean({ default = true, doc = "Whether the client's side is written" }),
    provider = ccproxy.schema.boolean({ default = true, doc = "Whether the provider's side is written" }),
    bodies = ccproxy.schema.boolean({ default = true, doc = "Whether bodies are written: they hold your prompts" }),
    max_body = ccproxy.schema.size({ default = "256KiB", max = "1MiB", doc = "Most bytes of each body" }),
    include_paths = ccproxy.schema.list({
      of = ccproxy.schema.string({}),
      default = {},
      doc = "When it names any, only these paths; a path that ends in `*` stands for all that begin so",
    }),
    exclude_paths = ccproxy.schema.list({
      of = ccproxy.schema.string({}),
      default = { "/health*", "/plugins*" },
      doc = "Paths that are not written",
    }),
    keep_days = ccproxy.schema.integer({ default = 7, min = 1, max = 365, doc = "Days after which files go" }),
  },
  hooks = {
    ["http.request"] = on_request,
    ["http.response"] = on_response,
    ["request.completed"] = forget,
    ["request.failed"] = forget,
  },
  tasks = {
    {
      name = "sweep",
      every = "1h",
      at_start = true,
      run = function(plugin)
        local oldest = os.date("!%Y-%m-%d", os.time() - plugin.config.keep_days * 86400)
        for _, day in ccproxy.file.list() do
          if string.match(day, "^%d%d%d%d%-%d%d%-%d%d$") and day < oldest then
            for _, name in ccproxy.file.list(day) do
              ccproxy.file.remove(day .. "/" .. name)
            end
            ccproxy.file.remove(day)
          end
        end
      end,
    },
  },
  shutdown = function()
    ccproxy.file.flush()
  end,
}
