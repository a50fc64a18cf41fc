-- The pieces of text that an event of a stream carries, in each of the three formats.

---@class prompt_redaction.Piece
---@field key string What it continues
---@field path string Where it stands in the event
---@field json boolean Whether it is a piece of JSON: the arguments of a tool
---@field last boolean Whether nothing can follow
---@field alone fun(text: string): table The data of an event that carries this text and nothing else

local function messages(data)
  local delta = data.delta
  for _, field in { "text", "partial_json" } do
    if type(delta[field]) == "string" then
      return {
        {
          key = field .. tostring(data.index),
          path = "delta." .. field,
          json = field == "partial_json",
          last = false,
          alone = function(text)
            return { type = data.type, index = data.index, delta = { type = delta.type, [field] = text } }
          end,
        },
      }
    end
  end
  return {}
end

local function chat(data)
  local found = {}
  for at, choice in data.choices do
    local delta = type(choice.delta) == "table" and choice.delta or {}
    local last = type(choice.finish_reason) == "string"
    local function add(key, path, json, shape)
      table.insert(found, {
        key = (choice.index or at) .. key,
        path = "choices[" .. at .. "].delta." .. path,
        json = json,
        last = last,
        alone = function(text)
          local copy = table.clone(data)
          copy.usage = nil
          copy.choices = { { index = choice.index, delta = shape(text), finish_reason = ccproxy.null } }
          return copy
        end,
      })
    end
    if type(delta.content) == "string" then
      add("content", "content", false, function(text)
        return { content = text }
      end)
    end
    for number, call in type(delta.tool_calls) == "table" and delta.tool_calls or {} do
      local called = call["function"]
      if type(called) == "table" and type(called.arguments) == "string" then
        local path = "tool_calls[" .. number .. "].function.arguments"
        add("call" .. (call.index or number), path, true, function(text)
          return { tool_calls = { { index = call.index, ["function"] = { arguments = text } } } }
        end)
      end
    end
  end
  return found
end

local function responses(data)
  return {
    {
      key = data.type .. (data.output_index or "") .. ":" .. (data.content_index or ""),
      path = "delta",
      json = string.find(data.type, "arguments", 1, true) ~= nil,
      last = false,
      alone = function(text)
        local copy = table.clone(data)
        copy.delta = text
        return copy
      end,
    },
  }
end

---@return prompt_redaction.Piece[]
return function(data)
  if data.type == "content_block_delta" then
    return messages(data)
  elseif type(data.choices) == "table" then
    return chat(data)
  elseif type(data.type) == "string" and type(data.delta) == "string" then
    return responses(data)
  end
  return {}
end
