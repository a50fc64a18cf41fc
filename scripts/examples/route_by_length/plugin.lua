-- Short questions go to a small model, long ones to a large one. Only for the names in `models`, so that who asks for a
-- certain model gets it.

---@type ccproxy.Plugin
return {
  name = "route_by_length",
  version = "1.0.0",
  description = "A small model for short prompts, a large one for long ones",
  config = {
    models = ccproxy.schema.list {
      of = ccproxy.schema.string(),
      default = { "auto" },
      doc = "Names that mean: choose",
    },
    small = ccproxy.schema.string { default = "claude-haiku-4-5", doc = "For short prompts" },
    large = ccproxy.schema.string {
      default = "claude-opus-4-1",
      doc = "For long ones, and where tools are offered",
    },
    bytes = ccproxy.schema.size { default = "4KiB", doc = "What counts as long" },
  },
  middleware = {
    {
      layer = "routing",
      when = { methods = { "POST" } },
      body = "write",
      request = function(req, plugin)
        if not ccproxy.re.glob(plugin.config.models, req.model or "") then
          return
        end
        local long = req.body:size() > plugin.config.bytes or (req.body:len("tools") or 0) > 0
        req.model = long and plugin.config.large or plugin.config.small
      end,
    },
  },
}
