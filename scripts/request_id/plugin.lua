-- Gives every exchange an id that the client, the provider and the logs share.

---@type ccproxy.Plugin
return {
  name = "request_id",
  version = "1.0.0",
  description = "A request id on every answer, taken from the client or made here",
  enabled = false,
  config = {
    header = ccproxy.schema.string({ default = "x-request-id", min_length = 1, doc = "Name of the header" }),
    trust_client = ccproxy.schema.boolean({ default = true, doc = "Whether an id the client sends is kept" }),
    to_provider = ccproxy.schema.boolean({ default = false, doc = "Whether the provider sees the id too" }),
  },
  middleware = {
    {
      layer = "observability",
      priority = -100,
      when = { routes = { "provider", "plugin", "core" } },
      request = function(req, plugin)
        local header = plugin.config.header
        local id = plugin.config.trust_client and req.headers[header] or nil
        -- What a client sends ends up in logs: only short, harmless ids are believed.
        if id == nil or #id > 128 or string.find(id, "[^%w%-_.:/+=]") then
          id = req.id
        end
        req.state.id = id
        if plugin.config.to_provider then
          req.headers[header] = id
        else
          req.headers[header] = nil
        end
      end,
      response = function(req, res, plugin)
        res.headers[plugin.config.header] = req.state.id or req.id
      end,
    },
  },
}
