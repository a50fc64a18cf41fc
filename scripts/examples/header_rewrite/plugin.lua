-- Sets and removes headers on the way to the provider, by the client's key.

---@type ccproxy.Plugin
return {
  name = "header_rewrite",
  version = "1.0.0",
  description = "Sets and removes headers of requests",
  config = {
    set = ccproxy.schema.map {
      of = ccproxy.schema.string(),
      default = {},
      doc = "Header to value; `{client}` is the key's name",
    },
    remove = ccproxy.schema.list {
      of = ccproxy.schema.string(),
      default = {},
      doc = "Headers that go no further",
    },
  },
  middleware = {
    {
      layer = "transformation",
      request = function(req, plugin)
        for _, name in plugin.config.remove do
          req.headers[name] = nil
        end
        for name, value in plugin.config.set do
          req.headers[name] = (string.gsub(value, "{client}", req.client.id))
        end
      end,
    },
  },
}
