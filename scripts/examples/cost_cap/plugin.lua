-- Dollars a month for everybody together: at `warn_at` of the cap it tells, at the cap it refuses. `GET /cost_cap/spent`
-- says where it stands. What is spent is known when an answer is over, so the last ones may go over.

-- `kv` is in memory. So that a restart goes on where it was, the sum is written to a file: once a minute, when it has
-- changed, and at the end. After a crash the last minute is missing.
local FILE = "spent.json"
local written

local function month()
  return os.date("!%Y-%m", ccproxy.time.now())
end

local function key()
  return "spent:" .. month()
end

-- Millionths of a dollar, so that sums are exact.
local function spent()
  return (ccproxy.kv.get(key()) or 0) / 1e6
end

local function keep()
  local text = ccproxy.json.encode { [key()] = ccproxy.kv.get(key()) }
  if text ~= written then
    -- The file is turned over each time: it holds the newest sum, `spent.json.1` the one before.
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

local function count(event, plugin)
  local usage = event.usage
  if usage == ccproxy.null then
    return
  end
  -- At the front door clients may ask by other names.
  local model = event.sent_model ~= ccproxy.null and event.sent_model or event.model
  local price = model ~= ccproxy.null and ccproxy.re.closest(plugin.config.prices, model)
  if not price then
    return
  end
  local millionths = 0 ---@type number
  for field, dollars in
    {
      input_tokens = price.input,
      output_tokens = price.output,
      cache_read_tokens = price.cache_read or 0,
      cache_write_tokens = price.cache_write or 0,
    }
  do
    millionths = millionths + (usage[field] ~= ccproxy.null and usage[field] or 0) * dollars
  end
  local before = spent()
  ccproxy.kv.incr(key(), math.ceil(millionths), { ttl = "1000h" })
  local cap = plugin.config.dollars
  local line = cap * plugin.config.warn_at
  if before < line and spent() >= line then
    ccproxy.log.warn("most of the money of this month is spent", { spent = spent(), cap = cap })
    ccproxy.events.emit("cost_cap.near", { spent = spent(), cap = cap })
  end
end

---@type ccproxy.Plugin
return {
  name = "cost_cap",
  version = "1.1.0",
  description = "Dollars a month for everybody together, kept over restarts",
  capabilities = { "kv", "files" },
  config = {
    dollars = ccproxy.schema.number { default = 100, min = 0, doc = "The cap of a month" },
    warn_at = ccproxy.schema.number { default = 0.8, min = 0, max = 1, doc = "The part at which it warns" },
    prices = ccproxy.schema.map {
      of = ccproxy.schema.table {
        fields = {
          input = ccproxy.schema.number { required = true },
          output = ccproxy.schema.number { required = true },
          cache_read = ccproxy.schema.number { doc = "Where the provider counts it beside the input" },
          cache_write = ccproxy.schema.number { doc = "The same" },
        },
      },
      default = {
        ["claude-opus-*"] = { input = 15, output = 75, cache_read = 1.5, cache_write = 18.75 },
        ["claude-sonnet-*"] = { input = 3, output = 15, cache_read = 0.3, cache_write = 3.75 },
        ["claude-haiku-*"] = { input = 1, output = 5, cache_read = 0.1, cache_write = 1.25 },
        ["*"] = { input = 3, output = 15 },
      },
      doc = "Dollars a million tokens, by model; the pattern that says most counts",
    },
  },
  middleware = {
    {
      layer = "security",
      request = function(_, plugin)
        if spent() >= plugin.config.dollars then
          return ccproxy.error(429, "rate_limit_error", "the money of this month is spent")
        end
      end,
    },
  },
  -- An answer that broke off was paid for, too.
  hooks = { ["request.completed"] = count, ["request.failed"] = count },
  tasks = { { name = "keep", every = "1m", run = keep } },
  setup = function()
    for name, millionths in recall() do
      -- After a mere reload it is there.
      ccproxy.kv.add(name, millionths, { ttl = "1000h" })
    end
  end,
  shutdown = function()
    keep()
    ccproxy.file.flush()
  end,
  routes = {
    {
      path = "/spent",
      summary = "Dollars of this month",
      handler = function(_, plugin)
        return { json = { month = month(), spent = spent(), cap = plugin.config.dollars } }
      end,
    },
  },
}
