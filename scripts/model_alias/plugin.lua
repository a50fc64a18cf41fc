-- Lets clients ask for models by names of the operator's choosing.

-- The longest pattern that fits wins, so that an exact name beats `claude-*`.
local function target(aliases, model)
  local exact = aliases[model]
  if exact then
    return exact
  end
  local best, length = nil, -1
  for pattern, name in aliases do
    local stem = string.match(pattern, "^(.*)%*$")
    if stem and #stem > length and string.sub(model, 1, #stem) == stem then
      best, length = name, #stem
    end
  end
  return best
end

---@type ccproxy.Plugin
return {
  name = "model_alias",
  version = "1.0.0",
  description = "Other names for models: `fast = \"claude-haiku-4-5\"`",
  enabled = false,
  config = {
    aliases = ccproxy.schema.map({
      of = ccproxy.schema.string({ min_length = 1 }),
      default = {},
      doc = "Alias to model; an alias that ends in `*` stands for every name that begins so",
    }),
    restore = ccproxy.schema.boolean({
      default = true,
      doc = "Whether answers name the model as the client did",
    }),
  },
  middleware = {
    {
      layer = "routing",
      body = "write",
      request = function(req, plugin)
        local asked = req.model
        local model = asked and target(plugin.config.aliases, asked)
        if model and model ~= asked then
          req.state.asked = asked
          req.model = model
        end
      end,
      response = function(req, res, plugin)
        if req.state.asked and plugin.config.restore and not res.stream and res.body and res.body:get("model") then
          res.body:set("model", req.state.asked)
        end
      end,
      event = function(req, ev, plugin)
        local asked = req.state.asked
        if not asked or not plugin.config.restore then
          return
        end
        -- Where the three formats name the model: message_start, every chat chunk, response.created and on.
        for _, path in { "message.model", "model", "response.model" } do
          if ev.data:get(path) then
            ev.data:set(path, asked)
            return ev
          end
        end
      end,
    },
  },
}
