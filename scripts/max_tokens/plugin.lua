-- Caps how long answers may be, per model, and fills the limit in where a format requires it.

-- Where each format keeps its limit.
local FIELDS = {
  anthropic_messages = { "max_tokens" },
  openai_chat = { "max_completion_tokens", "max_tokens" },
  openai_responses = { "max_output_tokens" },
}

local function limit_for(config, model)
  local exact = config.models[model]
  if exact then
    return exact
  end
  local best, length = config.limit, -1
  for pattern, limit in config.models do
    local stem = string.match(pattern, "^(.*)%*$")
    if stem and #stem > length and string.sub(model, 1, #stem) == stem then
      best, length = limit, #stem
    end
  end
  return best
end

---@type ccproxy.Plugin
return {
  name = "max_tokens",
  version = "1.0.0",
  description = "Upper limits for the length of answers",
  enabled = false,
  config = {
    limit = ccproxy.schema.integer({ default = 64000, min = 1, doc = "Most answer tokens of any model" }),
    models = ccproxy.schema.map({
      of = ccproxy.schema.integer({ min = 1 }),
      default = {},
      doc = "Limits by model name; a name that ends in `*` stands for every name that begins so",
    }),
    fill = ccproxy.schema.boolean({
      default = true,
      doc = "Whether a missing limit is filled in where the format requires one (Anthropic)",
    }),
    enforce = ccproxy.schema.boolean({ default = false, doc = "Whether the limit replaces smaller ones too" }),
  },
  middleware = {
    {
      layer = "transformation",
      body = "write",
      request = function(req, plugin)
        local fields = FIELDS[req.format]
        if not fields or not req.model or string.find(req.path, "count_tokens", 1, true) then
          return
        end
        local limit = limit_for(plugin.config, req.model)
        local present = false
        for _, field in fields do
          local asked = req.body:get(field)
          if asked ~= nil then
            present = true
            if type(asked) ~= "number" or asked > limit or plugin.config.enforce then
              if asked ~= limit then
                req.body:set(field, limit)
                ccproxy.log.debug("limited an answer", { model = req.model, field = field, limit = limit })
              end
            end
          end
        end
        if not present and (plugin.config.enforce or (plugin.config.fill and req.format == "anthropic_messages")) then
          req.body:set(fields[1], limit)
        end
      end,
    },
  },
}
