-- Dollars a month for everybody together: at `warn_at` of the cap it tells, at the cap it refuses. `GET /cost_cap/spent`
-- says where it stands.

local function month()
  return os.date("!%Y-%m", ccproxy.time.now())
end

-- Millionths of a dollar, so that sums are exact.
local function spent()
  return (ccproxy.kv.get("spent:" .. month()) or 0) / 1e6
end

---@type ccproxy.Plugin
return {
  name = "cost_cap",
  version = "1.0.0",
  description = "Dollars a month for everybody together",
  capabilities = { "kv" },
  config = {
    dollars = ccproxy.schema.number { default = 100, min = 0, doc = "The cap of a month" },
    warn_at = ccproxy.schema.number { default = 0.8, min = 0, max = 1, doc = "The part at which it warns" },
    prices = ccproxy.schema.map {
      of = ccproxy.schema.table {
        fields = {
          input = ccproxy.schema.number { required = true },
          output = ccproxy.schema.number { required = true },
        },
      },
      default = {
        ["claude-opus-*"] = { input = 15, output = 75 },
        ["claude-sonnet-*"] = { input = 3, output = 15 },
        ["claude-haiku-*"] = { input = 1, output = 5 },
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
  hooks = {
    ["request.completed"] = function(event, plugin)
      local usage = event.usage
      local price = usage ~= ccproxy.null and ccproxy.re.closest(plugin.config.prices, event.model)
      if not price then
        return
      end
      local function tokens(field)
        return usage[field] ~= ccproxy.null and usage[field] or 0
      end
      local before = spent()
      local millionths =
        math.ceil(tokens("input_tokens") * price.input + tokens("output_tokens") * price.output)
      ccproxy.kv.incr("spent:" .. month(), millionths, { ttl = "1000h" })
      local line = plugin.config.dollars * plugin.config.warn_at
      if before < line and spent() >= line then
        ccproxy.log.warn(
          "most of the money of this month is spent",
          { spent = spent(), cap = plugin.config.dollars }
        )
        ccproxy.events.emit("cost_cap.near", { spent = spent(), cap = plugin.config.dollars })
      end
    end,
  },
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
