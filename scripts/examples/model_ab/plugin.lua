-- Compares two models: conversations are shared out evenly, and `GET /model_ab/results` tells tokens, time and failures of
-- each side since the proxy was started.

-- The first thing that the user said, in any format: what does not change while a conversation grows.
local function first_words(body)
  for _, list in { "messages", "input" } do
    if body:kind(list) == "array" then
      for at = 1, body:len(list) do
        local item = list .. "[" .. at .. "]"
        if body:get(item .. ".role") == "user" then
          local content = item .. ".content"
          -- Of parts only the texts: marks for caches move on.
          return body:kind(content) == "string" and body:get(content) or body:get(content .. "[1].text", "")
        end
      end
    end
  end
  local input = body:get("input")
  return type(input) == "string" and input or ""
end

local function side(body, salt)
  local digits = string.sub(ccproxy.crypto.sha256(salt .. tostring(first_words(body))), 1, 8)
  return (tonumber(digits, 16) or 0) % 2 == 0 and "a" or "b"
end

local function count(event)
  local chosen = ccproxy.kv.get("side:" .. event.id)
  if not chosen then
    return
  end
  local function add(what, by)
    ccproxy.kv.incr(chosen .. ":" .. what, by)
  end
  local failed = event.name == "request.failed" or event.status >= 400
  add("requests", 1)
  add(failed and "failures" or "answers", 1)
  add("ms", math.floor(event.duration_ms))
  if event.usage ~= ccproxy.null and event.usage.output_tokens ~= ccproxy.null then
    add("output_tokens", event.usage.output_tokens)
  end
end

---@type ccproxy.Plugin
return {
  name = "model_ab",
  version = "1.1.0",
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
          -- What only counts tokens is no question.
          if not ccproxy.re.glob({ "*/count_tokens", "*/input_tokens" }, req.path) then
            ccproxy.kv.set("side:" .. req.id, chosen, { ttl = "1h" })
          end
        end
      end,
    },
  },
  hooks = { ["request.completed"] = count, ["request.failed"] = count },
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
