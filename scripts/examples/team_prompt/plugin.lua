-- Puts a system prompt of the client's team before whatever the client says.

local function before(body, path, words)
  local kind = body:kind(path)
  if kind == "string" then
    body:set(path, words .. "\n\n" .. body:get(path))
  elseif kind == "array" then
    local list = body:get(path)
    table.insert(list, 1, { type = "text", text = words })
    body:set(path, list)
  else
    body:set(path, words)
  end
end

---@type ccproxy.Plugin
return {
  name = "team_prompt",
  version = "1.0.0",
  description = "A system prompt for each team",
  config = {
    prompts = ccproxy.schema.map {
      of = ccproxy.schema.string { min_length = 1 },
      default = {},
      doc = "The name of a client's key to words; `*` is any run of characters, and the name that says most counts",
    },
  },
  middleware = {
    {
      layer = "transformation",
      when = { methods = { "POST" } },
      body = "write",
      request = function(req, plugin)
        local words = ccproxy.re.closest(plugin.config.prompts, req.client.id)
        if not words then
          return
        end
        if req.format == "anthropic_messages" then
          before(req.body, "system", words)
        elseif req.format == "openai_responses" then
          before(req.body, "instructions", words)
        elseif req.format == "openai_chat" then
          local messages = req.body:get("messages") or {}
          table.insert(messages, 1, { role = "system", content = words })
          req.body:set("messages", messages)
        end
      end,
    },
  },
}
