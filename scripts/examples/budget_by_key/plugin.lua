-- Tokens a day for each client key. What is spent is known when an answer is over, so the last one may go over.

local function spent_key(client)
  return "spent:" .. os.date("!%Y-%m-%d", ccproxy.time.now()) .. ":" .. client
end

---@type ccproxy.Plugin
return {
  name = "budget_by_key",
  version = "1.0.0",
  description = "Tokens a day for each client key",
  capabilities = { "kv" },
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
        if (ccproxy.kv.get(spent_key(req.client.id)) or 0) >= limit then
          return ccproxy.error(429, "rate_limit_error", "the budget of this key is spent for today")
        end
      end,
    },
  },
  hooks = {
    ["request.completed"] = function(event)
      local usage = event.usage
      if usage == ccproxy.null then
        return
      end
      local tokens = 0
      for _, field in { "input_tokens", "output_tokens" } do
        tokens = tokens + (usage[field] ~= ccproxy.null and usage[field] or 0)
      end
      ccproxy.kv.incr(spent_key(event.client), tokens, { ttl = "48h" })
    end,
  },
}
