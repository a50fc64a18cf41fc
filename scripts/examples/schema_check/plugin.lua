-- Holds whole answers against a small JSON schema, and asks once more when they do not fit. Knows `type`, `required`,
-- `properties`, `items` and `enum`: enough to catch an answer that is prose. Calls of tools
-- pass, since they are no answer yet.

local function kind_of(value)
  if value == ccproxy.null then
    return "null"
  elseif type(value) == "table" then
    -- What `json.decode` reads as a list has items from 1 on.
    return (#value > 0 or next(value) == nil) and "array" or "object"
  end
  return type(value)
end

local function fits(value, schema, path)
  local wanted, got = schema.type, kind_of(value)
  local empty = type(value) == "table" and next(value) == nil
  local same = wanted == nil or wanted == got or (wanted == "integer" and got == "number" and value % 1 == 0)
  if not same and not (empty and wanted == "object") then
    return path .. " is a " .. got .. ", not a " .. wanted
  end
  if schema.enum and not table.find(schema.enum, value) then
    return path .. " is none of the values"
  end
  for _, name in schema.required or {} do
    if type(value) ~= "table" or value[name] == nil then
      return path .. "." .. name .. " is missing"
    end
  end
  for name, inner in schema.properties or {} do
    if type(value) == "table" and value[name] ~= nil then
      local wrong = fits(value[name], inner, path .. "." .. name)
      if wrong then
        return wrong
      end
    end
  end
  if schema.items and got == "array" then
    for at, item in value do
      local wrong = fits(item, schema.items, path .. "[" .. at .. "]")
      if wrong then
        return wrong
      end
    end
  end
  return nil
end

-- The texts among the parts of a message: thinking may stand before them.
local function joined(content)
  if type(content) ~= "table" then
    return type(content) == "string" and content or ""
  end
  local texts = {}
  for _, part in content do
    if part.type == "text" or part.type == "output_text" then
      table.insert(texts, part.text)
    end
  end
  return table.concat(texts)
end

-- What the model says, in each format; nil where it wants a tool to be called first, and where no model spoke.
---@return string?
local function words(answer)
  if type(answer) ~= "table" then
    return ""
  end
  if type(answer.choices) == "table" then
    local message = answer.choices[1] and answer.choices[1].message or {}
    local calls = type(message.tool_calls) == "table" and #message.tool_calls > 0
    return not calls and joined(message.content) or nil
  end
  local parts = answer.content or answer.output
  if type(parts) ~= "table" then
    return nil
  end
  local texts = { joined(answer.content) }
  for _, part in parts do
    if part.type == "tool_use" or part.type == "function_call" or part.type == "custom_tool_call" then
      return nil
    elseif part.type == "message" then
      table.insert(texts, joined(part.content))
    end
  end
  return table.concat(texts)
end

---@type ccproxy.Plugin
return {
  name = "schema_check",
  version = "1.1.0",
  description = "Holds answers against a JSON schema",
  config = {
    models = ccproxy.schema.list { of = ccproxy.schema.string(), default = { "*" }, doc = "For which models" },
    schema = ccproxy.schema.any { default = { type = "object" }, doc = "What an answer must be" },
    tries = ccproxy.schema.integer { default = 2, min = 1, max = 5, doc = "How often the model is asked" },
  },
  middleware = {
    {
      layer = "routing",
      when = { methods = { "POST" }, stream = false },
      body = "write",
      around = function(req, next, plugin)
        local wrong
        for _ = 1, plugin.config.tries do
          local res, err = next()
          if not res or res.status ~= 200 or not ccproxy.re.glob(plugin.config.models, req.model or "") then
            return res or err
          end
          local text = words(res:read() and res.body and res.body:table())
          if not text then
            return res
          end
          local value = ccproxy.json.decode(text)
          wrong = value == nil and "it is no JSON" or fits(value, plugin.config.schema, "answer")
          if not wrong then
            return res
          end
          ccproxy.log.info("an answer does not fit", { why = wrong, model = req.model })
        end
        return ccproxy.error(502, "api_error", "the model gave no answer of the wanted form: " .. wrong)
      end,
    },
  },
}
