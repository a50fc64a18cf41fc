-- Answers only while the office is open. Times are in UTC.

local DAYS = { "sun", "mon", "tue", "wed", "thu", "fri", "sat" }

---@type ccproxy.Plugin
return {
  name = "business_hours",
  version = "1.0.0",
  description = "Answers only while the office is open",
  config = {
    from = ccproxy.schema.integer { default = 8, min = 0, max = 23, doc = "The first hour" },
    to = ccproxy.schema.integer { default = 18, min = 1, max = 24, doc = "The hour in which it closes" },
    days = ccproxy.schema.list {
      of = ccproxy.schema.enum(DAYS),
      default = { "mon", "tue", "wed", "thu", "fri" },
      doc = "The days",
    },
  },
  middleware = {
    {
      layer = "security",
      request = function(_, plugin)
        local now = os.date("!*t", ccproxy.time.now())
        local open = table.find(plugin.config.days, DAYS[now.wday]) ~= nil
        if not open or now.hour < plugin.config.from or now.hour >= plugin.config.to then
          return ccproxy.error(
            403,
            "permission_error",
            "it is outside business hours",
            { ["retry-after"] = 3600 }
          )
        end
      end,
    },
  },
}
