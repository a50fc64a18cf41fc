-- Sends a part of the clients to another model. A client keeps its side, so that its conversations do not change models.

---@type ccproxy.Plugin
return {
  name = "canary",
  version = "1.0.0",
  description = "Another model for a part of the clients",
  config = {
    model = ccproxy.schema.string {
      default = "claude-sonnet-*",
      doc = "Who is asked for today; `*` is any run of characters",
    },
    canary = ccproxy.schema.string { default = "claude-opus-4-1", doc = "Who is tried" },
    percent = ccproxy.schema.number { default = 5, min = 0, max = 100, doc = "The part of the clients" },
  },
  middleware = {
    {
      layer = "routing",
      when = { methods = { "POST" } },
      body = "write",
      request = function(req, plugin)
        if not ccproxy.re.glob(plugin.config.model, req.model or "") then
          return
        end
        -- A key's name, or the address where nobody has a key.
        local who = req.client.id == "anonymous" and req.peer.ip or req.client.id
        local digits = string.sub(ccproxy.crypto.sha256(plugin.config.canary .. who), 1, 8)
        if (tonumber(digits, 16) or 0) % 10000 < plugin.config.percent * 100 then
          req.model = plugin.config.canary
          req.state.canary = true
        end
      end,
      response = function(req, res)
        if req.state.canary then
          res.headers["x-canary"] = "1"
        end
      end,
    },
  },
}
