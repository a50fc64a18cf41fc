-- Asks another model when the first one is overloaded: for routes of one provider, which have no candidates of their own.
-- At the front door, `[routing.aliases]` with several candidates does it without a plugin.

---@type ccproxy.Plugin
return {
  name = "retry_elsewhere",
  version = "1.0.0",
  description = "Another model when the first one is overloaded",
  config = {
    instead = ccproxy.schema.map {
      of = ccproxy.schema.string(),
      default = { ["claude-opus-*"] = "claude-sonnet-4-5" },
      doc = "Model to the one that stands in; `*` is any run of characters",
    },
    statuses = ccproxy.schema.list {
      of = ccproxy.schema.integer(),
      default = { 429, 503, 529 },
      doc = "What counts as overloaded",
    },
  },
  middleware = {
    {
      layer = "routing",
      when = { methods = { "POST" } },
      body = "write",
      around = function(req, next, plugin)
        local res, err = next()
        local status = res and res.status or err and err.status
        local other = ccproxy.re.closest(plugin.config.instead, req.model or "")
        if not other or not table.find(plugin.config.statuses, status) then
          return res or err
        end
        ccproxy.log.info("asked another model", { model = req.model, instead = other, status = status })
        req.model = other
        local again, failed = next()
        return again or failed
      end,
    },
  },
}
