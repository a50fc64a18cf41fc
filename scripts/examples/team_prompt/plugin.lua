-- Puts a system prompt of the client's team before whatever the client says.

-- What follows stays byte for byte, for the provider's cache.
local function put_first(body, list, item)
  local rest = string.sub(body:raw(list), 2)
  body:set_raw(list, "[" .. ccproxy.json.encode(item) .. (body:len(list) > 0 and "," or "") .. rest)
end

local function before(body, path, words)
  local kind = body:kind(path)
  if kind == "string" then
    body:set(path, words .. "\n\n" .. body:get(path))
  elseif kind == "array" then
    put_first(body, path, { type = "text", text = words })
  else
    body:set(path, words)
  end
end

---@type ccproxy.Plugin
return {
  name = "team_prompt",
  version = "1.1.0",
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
        elseif req.format == "openai_chat" and req.body:kind("messages") == "array" then
          put_first(req.body, "messages", { role = "system", content = words })
        end
      end,
    },
  },
}
