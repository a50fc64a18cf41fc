-- Lets clients ask for models by names of the operator's choosing.

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
      doc = "Alias to model; `*` in an alias is any run of characters, and the alias that says most counts",
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
        local model = asked and ccproxy.re.closest(plugin.config.aliases, asked)
        if not model or model == asked then
          return ccproxy.DONE
        end
        req.model = model
        if not plugin.config.restore then
          return ccproxy.DONE
        end
        req.state.asked = asked
      end,
      response = function(req, res)
        if res.body and res.body:kind("model") == "string" then
          res.body:set("model", req.state.asked)
        end
      end,
      event = function(req, ev)
        local path = place(req, ev)
        if path and ev.data:kind(path) == "string" then
          ev.data:set(path, req.state.asked)
        end
        if path and req.format == "anthropic_messages" then
          -- Its later events do not name the model.
          return ccproxy.DONE
        end
      end,
    },
  },
}
