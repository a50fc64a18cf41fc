-- Gives every exchange an id that the client, the provider and the logs share.

-- What a client sends ends up in logs: only short, harmless ids are believed.
local function harmless(id)
  return id ~= nil and #id > 0 and #id <= 128 and not string.find(id, "[^%w%-_.:/+=]")
end

---@type ccproxy.Plugin
return {
  name = "request_id",
  version = "1.0.0",
  description = "A request id on every answer, taken from the client or made here",
  enabled = false,
  config = {
    header = ccproxy.schema.string {
      default = "x-request-id",
      pattern = "^[A-Za-z0-9-]{1,64}$",
      doc = "Name of the header",
    },
    trust_client = ccproxy.schema.boolean { default = true, doc = "Whether an id the client sends is kept" },
    to_provider = ccproxy.schema.boolean { default = false, doc = "Whether the provider sees the id too" },
  },
  middleware = {
    {
      layer = "observability",
      priority = -100,
      when = { routes = { "provider", "plugin", "core" } },
      request = function(req, plugin)
        local header = plugin.config.header
        local id = plugin.config.trust_client and req.headers[header] or nil
        if not harmless(id) then
          id = req.id
        elseif id ~= req.id then
          ccproxy.log.debug("the client named its request", { exchange = req.id, id = id })
        end
        req.state.id = id
        req.headers[header] = plugin.config.to_provider and id or nil
      end,
      response = function(req, res, plugin)
        local header, id = plugin.config.header, req.state.id or req.id
        local theirs = req.provider and res.headers[header]
        if theirs and theirs ~= id then
          -- Some providers answer under the same name, and their support asks for it.
          res.headers["x-provider-request-id"] = theirs
        end
        res.headers[header] = id
      end,
    },
  },
}
