-- Lets each client ask so many times a minute, and marks what it lets through.

---@type ccproxy.Plugin
return {
  name = "@NAME@",
  version = "0.1.0",
  description = "Requests per minute and client",
  -- Rights: what is not named here is out of reach.
  capabilities = { "kv" },
  -- Settings, under [plugins.@NAME@] in the configuration.
  config = {
    per_minute = ccproxy.schema.integer {
      default = 60,
      min = 1,
      doc = "Requests a client may send in a minute",
    },
  },
  middleware = {
    {
      -- security, observability, transformation, routing, application: outermost first.
      layer = "security",
      request = function(req, plugin)
        local used = ccproxy.kv.incr("hits:" .. req.client.id, 1, { ttl = "1m" })
        if used > plugin.config.per_minute then
          -- The client reads it in its own format.
          return ccproxy.error(429, "rate_limit_error", "too many requests", { ["retry-after"] = 60 })
        end
        req.headers["x-seen-by"] = plugin.name
      end,
      response = function(_, res)
        res.headers["x-seen-by"] = "@NAME@"
      end,
    },
  },
}
