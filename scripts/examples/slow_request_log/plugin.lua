-- Logs exchanges that took long, with where the time went: until the provider's head, until the first byte, until the end.

local function at_least(value, limit)
  return value ~= ccproxy.null and value >= limit * 1000
end

local function judge(event, plugin)
  if
    at_least(event.first_byte_ms, plugin.config.first_byte)
    or at_least(event.duration_ms, plugin.config.whole)
  then
    ccproxy.log.warn("slow", {
      id = event.id,
      model = event.model,
      provider = event.provider,
      head_ms = event.head_ms,
      first_byte_ms = event.first_byte_ms,
      duration_ms = event.duration_ms,
      response_bytes = event.response_bytes,
      error = event.error and event.error.kind,
    })
  end
end

---@type ccproxy.Plugin
return {
  name = "slow_request_log",
  version = "1.1.0",
  description = "Logs exchanges that took long",
  config = {
    first_byte = ccproxy.schema.duration { default = "10s", doc = "What counts as long until the first byte" },
    whole = ccproxy.schema.duration { default = "5m", doc = "What counts as long altogether" },
  },
  -- What failed took longest of all, sometimes.
  hooks = { ["request.completed"] = judge, ["request.failed"] = judge },
}
