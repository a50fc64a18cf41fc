-- Caps how long answers may be, per model, and fills the limit in where a format requires it.

-- Where each format keeps its limit; the first is the one that is filled in.
local FIELDS = {
  anthropic_messages = { "max_tokens" },
  openai_chat = { "max_completion_tokens", "max_tokens" },
  openai_responses = { "max_output_tokens" },
}

-- Anthropic's least thinking budget, which must stay below `max_tokens`.
local LEAST_THINKING = 1024

-- A thinking budget that no longer fits is lowered with the limit, or the provider refuses the request.
local function fit_thinking(body, limit)
  local budget = body:get("thinking.budget_tokens")
  if type(budget) ~= "number" or budget < limit then
    return
  end
  if limit > LEAST_THINKING then
    body:set("thinking.budget_tokens", math.max(LEAST_THINKING, limit - 1))
  else
    body:delete("thinking")
  end
end

local function apply(req, field, limit)
  req.body:set(field, limit)
  if req.format == "anthropic_messages" then
    fit_thinking(req.body, limit)
  end
  ccproxy.log.debug("limited an answer", { model = req.model, field = field, limit = limit })
end

local function on_request(req, plugin)
  local fields = FIELDS[req.format]
  if not fields or not req.model then
    return
  end
  local config = plugin.config
  -- An exact name beats `claude-*`.
  local limit = ccproxy.re.closest(config.models, req.model) or config.limit
  local present = false
  for _, field in ipairs(fields) do
    local asked = req.body:get(field)
    if asked ~= nil and asked ~= ccproxy.null then
      present = true
      local too_much = type(asked) ~= "number" or asked > limit
      if too_much or (config.enforce and asked ~= limit) then
        apply(req, field, limit)
      end
    end
  end
  if not present and (config.enforce or (config.fill and req.format == "anthropic_messages")) then
    apply(req, fields[1], limit)
  end
end

---@type ccproxy.Plugin
return {
  name = "max_tokens",
  version = "1.0.0",
  description = "Upper limits for the length of answers",
  enabled = false,
  config = {
    limit = ccproxy.schema.integer { default = 64000, min = 1, doc = "Most answer tokens of any model" },
    models = ccproxy.schema.map {
      of = ccproxy.schema.integer { min = 1 },
      default = {},
      doc = "Limits by model name; `*` in a name is any run of characters, and the name that says most counts",
    },
    fill = ccproxy.schema.boolean {
      default = true,
      doc = "Whether a missing limit is filled in where the format requires one (Anthropic)",
    },
    enforce = ccproxy.schema.boolean { default = false, doc = "Whether the limit replaces smaller ones too" },
  },
  middleware = {
    {
      -- Behind the plugins that choose the model: a limit belongs to the model that answers, not to its alias.
      layer = "routing",
      priority = 100,
      when = {
        routes = { "provider" },
        paths = { "*/messages", "*/chat/completions", "*/responses" },
        methods = { "POST" },
      },
      body = "write",
      request = on_request,
    },
  },
}
