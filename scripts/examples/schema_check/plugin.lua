-- Holds whole answers against a small JSON schema, and asks once more when they do not fit. Knows `type`, `required`,
-- `properties`, `items` and `enum`: enough to catch an answer that is prose.

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

local PLACES = { "content[1].text", "choices[1].message.content", "output[-1].content[1].text" }

local function words(body)
  for _, path in PLACES do
    local text = body:get(path)
    if type(text) == "string" then
      return text
    end
  end
  return nil
end

---@type ccproxy.Plugin
return {
  name = "schema_check",
  version = "1.0.0",
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
          local text = res:read() and words(res.body)
          local value = text and ccproxy.json.decode(text)
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
