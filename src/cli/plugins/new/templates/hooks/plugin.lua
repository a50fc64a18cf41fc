-- Watches exchanges: counts tokens by model, and warns about failures. Hooks never delay an exchange.

---@type table<string, number>
local tokens = {}

---@type ccproxy.Plugin
return {
  name = "@NAME@",
  version = "0.1.0",
  description = "Counts tokens by model",
  hooks = {
    ["request.completed"] = function(event)
      if event.usage ~= ccproxy.null then
        tokens[event.model] = (tokens[event.model] or 0) + event.usage.output_tokens
      end
    end,
    ["request.failed"] = function(event)
      ccproxy.log.warn("an exchange failed", { id = event.id, why = event.error.kind })
    end,
  },
  -- What is counted survives a save of this file: `snapshot` of the old instance is what `setup` of the new one gets.
  snapshot = function()
    return tokens
  end,
  setup = function(_, previous)
    tokens = previous or tokens
  end,
  health = function()
    return "pass", "counting", tokens
  end,
}
