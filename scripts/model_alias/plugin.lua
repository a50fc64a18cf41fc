-- Lets clients ask for models by names of the operator's choosing.

-- The longest pattern that fits wins, so that an exact name beats `claude-*`.
local function target(aliases, model)
  local exact = aliases[model]
  if exact then
    return exact
  end
  local best, length = nil, -1
  for pattern, name in pairs(aliases) do
    local stem = string.match(pattern, "^(.*)%*$")
    if stem and #stem > length and string.sub(model, 1, #stem) == stem then
      best, length = name, #stem
    end
  end
  return best
end

-- Where the events of each format name the model. Of Anthropic's only the first does.
local function place(req, ev)
  if req.format == "anthropic_messages" then
    return ev.name == "message_start" and "message.model" or nil
  end
  return req.format == "openai_responses" and "response.model" or "model"
end

---@type ccproxy.Plugin
return {
  name = "model_alias",
  version = "1.0.0",
  description = "Other names for models, such as `fast` for `claude-haiku-4-5`",
  enabled = false,
  config = {
    aliases = ccproxy.schema.map {
      of = ccproxy.schema.string { min_length = 1 },
      default = {},
      doc = "Alias to model; an alias that ends in `*` stands for every name that begins so",
    },
    restore = ccproxy.schema.boolean {
      default = true,
      doc = "Whether answers name the model as the client did",
    },
  },
  middleware = {
    {
      layer = "routing",
      when = { routes = { "provider" }, methods = { "POST" } },
      body = "write",
      request = function(req, plugin)
        local asked = req.model
        local model = asked and target(plugin.config.aliases, asked)
        if model and model ~= asked then
          req.state.asked = plugin.config.restore and asked or nil
          req.model = model
        end
      end,
      response = function(req, res)
        local asked = req.state.asked
        if asked and res.body and res.body:kind("model") == "string" then
          res.body:set("model", asked)
        end
      end,
      event = function(req, ev)
        local asked = req.state.asked
        local path = asked and place(req, ev)
        if path and ev.data:kind(path) == "string" then
          ev.data:set(path, asked)
        end
      end,
    },
  },
}
