-- Compares two models: conversations are shared out evenly, and `GET /model_ab/results` tells tokens, time and failures of
-- each side.

-- One conversation stays on its side: its first words name it.
local function side(body, salt)
  local first = body:raw("messages[1]") or body:raw("input") or ""
  local digits = string.sub(ccproxy.crypto.sha256(salt .. first), 1, 8)
  return (tonumber(digits, 16) or 0) % 2 == 0 and "a" or "b"
end

---@type ccproxy.Plugin
return {
  name = "model_ab",
  version = "1.0.0",
  description = "Compares two models",
  capabilities = { "kv" },
  config = {
    model = ccproxy.schema.string { default = "ab", doc = "The name that clients ask for" },
    a = ccproxy.schema.string { default = "claude-sonnet-4-5", doc = "One side" },
    b = ccproxy.schema.string { default = "claude-haiku-4-5", doc = "The other" },
  },
  middleware = {
    {
      layer = "routing",
      when = { methods = { "POST" } },
      body = "write",
      request = function(req, plugin)
        if req.model == plugin.config.model then
          local chosen = side(req.body, plugin.config.a .. plugin.config.b)
          req.model = chosen == "a" and plugin.config.a or plugin.config.b
          ccproxy.kv.set("side:" .. req.id, chosen, { ttl = "1h" })
        end
      end,
    },
  },
  hooks = {
    ["request.completed"] = function(event)
      local chosen = ccproxy.kv.get("side:" .. event.id)
      if not chosen then
        return
      end
      local function count(what, by)
        ccproxy.kv.incr(chosen .. ":" .. what, by)
      end
      count("requests", 1)
      count(event.status >= 400 and "failures" or "answers", 1)
      count("ms", math.floor(event.duration_ms))
      if event.usage ~= ccproxy.null and event.usage.output_tokens ~= ccproxy.null then
        count("output_tokens", event.usage.output_tokens)
      end
    end,
  },
  routes = {
    {
      path = "/results",
      handler = function(_, plugin)
        local sides = {}
        for _, name in { "a", "b" } do
          sides[name] = { model = plugin.config[name] }
          for _, what in { "requests", "answers", "failures", "ms", "output_tokens" } do
            sides[name][what] = ccproxy.kv.get(name .. ":" .. what) or 0
          end
        end
        return { json = sides }
      end,
    },
  },
}
