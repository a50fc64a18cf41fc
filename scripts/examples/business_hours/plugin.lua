-- Answers only while the office is open. Times are in UTC. Where it closes after midnight (`from = 22`, `to = 6`), the
-- early hours belong to the day before.

local DAYS = { "sun", "mon", "tue", "wed", "thu", "fri", "sat" }

local function is_open(config, now)
  local from, to, day = config.from, config.to, now.wday
  local open = now.hour >= from and now.hour < to
  if from > to then
    open = now.hour >= from or now.hour < to
    day = now.hour < to and (day + 5) % 7 + 1 or day
  end
  return open and table.find(config.days, DAYS[day]) ~= nil
end

---@type ccproxy.Plugin
return {
  name = "business_hours",
  version = "1.1.0",
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
  setup = function(plugin)
    if plugin.config.from == plugin.config.to then
      error("`from` and `to` are the same hour, so it would never be open; `from = 0, to = 24` is always")
    end
  end,
  middleware = {
    {
      layer = "security",
      request = function(_, plugin)
        if not is_open(plugin.config, os.date("!*t", ccproxy.time.now())) then
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
