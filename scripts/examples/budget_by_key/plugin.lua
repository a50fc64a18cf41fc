-- Tokens a day for each client key, as the provider counts input and output. What is spent is known when an answer is
-- over, so the last ones may go over.

-- `kv` is in memory. So that a restart goes on where it was, the counts are written to a file: once a minute, when they
-- have changed, and at the end. After a crash the last minute is missing.
local FILE = "spent.json"
local written

local function today()
  return "spent:" .. os.date("!%Y-%m-%d", ccproxy.time.now()) .. ":"
end

local function keep()
  local counts = {}
  for _, key in ccproxy.kv.keys(today(), { limit = 100000 }) do
    counts[key] = ccproxy.kv.get(key)
  end
  local text = ccproxy.json.encode(counts)
  if text ~= written then
    -- The file is turned over each time: it holds the newest counts, `spent.json.1` those before.
    written = ccproxy.file.append(FILE, text, { max_size = 1, keep = 1 }) and text
  end
end

local function recall()
  for _, name in { FILE, FILE .. ".1" } do
    local text, err = ccproxy.file.read(name)
    local kept = text and ccproxy.json.decode(text)
    if type(kept) == "table" then
      return kept
    elseif text or err and err.status ~= 404 then
      ccproxy.log.warn("what was spent cannot be read", { file = name, why = err and err.message })
    end
  end
  return {}
end

local function count(event)
  local usage = event.usage
  if usage == ccproxy.null then
    return
  end
  local tokens = 0
  for _, field in { "input_tokens", "output_tokens" } do
    tokens = tokens + (usage[field] ~= ccproxy.null and usage[field] or 0)
  end
  ccproxy.kv.incr(today() .. event.client, tokens, { ttl = "48h" })
end

---@type ccproxy.Plugin
return {
  name = "budget_by_key",
  version = "1.1.0",
  description = "Tokens a day for each client key, kept over restarts",
  capabilities = { "kv", "files" },
  config = {
    tokens_a_day = ccproxy.schema.integer {
      default = 1000000,
      min = 1,
      doc = "What a key may spend, unless `keys` says",
    },
    keys = ccproxy.schema.map {
      of = ccproxy.schema.integer { min = 0 },
      default = {},
      doc = "Limit by the key's name",
    },
  },
  middleware = {
    {
      layer = "security",
      request = function(req, plugin)
        local limit = plugin.config.keys[req.client.id] or plugin.config.tokens_a_day
        if (ccproxy.kv.get(today() .. req.client.id) or 0) >= limit then
          return ccproxy.error(429, "rate_limit_error", "the budget of this key is spent for today")
        end
      end,
    },
  },
  -- An answer that broke off was used, too.
  hooks = { ["request.completed"] = count, ["request.failed"] = count },
  tasks = { { name = "keep", every = "1m", run = keep } },
  setup = function()
    for key, tokens in recall() do
      -- After a mere reload it is there.
      ccproxy.kv.add(key, tokens, { ttl = "48h" })
    end
  end,
  shutdown = function()
    keep()
    ccproxy.file.flush()
  end,
}
