-- Tool calls in OpenAI's Chat Completions: pieces by index in `tool_calls`, the old `function_call`, and
-- custom tools, whose input is text.

local calls = require("calls")

local ENDS = { tool_calls = true, function_call = true }

-- What a call is given, as JSON: a custom tool's text becomes its one argument.
local function raw_of(call)
  local text = table.concat(call.pieces)
  if call.custom then
    return ccproxy.json.encode({ input = text })
  end
  return text == "" and "{}" or text
end

-- The text of other arguments that a person gave.
local function text_of(call, raw)
  if not call.custom then
    return raw
  end
  local read = ccproxy.json.decode(raw)
  return type(read) == "table" and type(read.input) == "string" and read.input or raw
end

local function collect(list, key, piece, plugin)
  local call = list[key]
  if not call then
    call = { key = key, name = "", pieces = {}, size = 0 }
    list[key] = call
    table.insert(list.order, call)
  end
  if type(piece.id) == "string" then
    call.id = piece.id
  end
  call.custom = call.custom or piece.custom ~= nil
  local part = piece.custom or piece["function"] or piece
  if type(part) == "table" then
    if type(part.name) == "string" then
      call.name = call.name .. part.name
    end
    local text = call.custom and part.input or part.arguments
    if text ~= nil and text ~= ccproxy.null then
      text = type(text) == "string" and text or ccproxy.json.encode(text)
      calls.collect(call, text, plugin)
    end
  end
  return call
end

-- Takes the pieces of calls out of a choice.
local function take(ev, at, list, plugin)
  local taken = false
  local pieces = ev.data:get(at .. ".delta.tool_calls")
  if type(pieces) == "table" then
    for place, piece in ipairs(pieces) do
      if type(piece) == "table" then
        local index = type(piece.index) == "number" and piece.index or place - 1
        collect(list, "call " .. index, piece, plugin)
      end
    end
    ev.data:delete(at .. ".delta.tool_calls")
    taken = true
  end
  local old = ev.data:get(at .. ".delta.function_call")
  if type(old) == "table" then
    collect(list, "function", old, plugin)
    ev.data:delete(at .. ".delta.function_call")
    taken = true
  end
  return taken
end

-- The delta of a call that may pass, in the words of the format.
local function spelled(call, text, index)
  if call.key == "function" then
    return { function_call = { name = call.name, arguments = text } }
  end
  local entry = { index = index, id = call.id, type = call.custom and "custom" or "function" }
  entry.custom = call.custom and { name = call.name, input = text } or nil
  entry["function"] = not call.custom and { name = call.name, arguments = text } or nil
  return { tool_calls = { entry } }
end

local function decide(req, ev, plugin, at, list)
  local function chunk(delta)
    local data = {
      choices = { { index = ev.data:get(at .. ".index", 0), delta = delta, finish_reason = ccproxy.null } },
    }
    for _, key in ipairs({ "id", "object", "created", "model" }) do
      data[key] = ev.data:get(key)
    end
    return { data = data }
  end
  local out, passed = {}, 0
  for _, call in ipairs(list.order) do
    local outcome = calls.judge(req, plugin, call.name, raw_of(call))
    if not outcome.allow then
      table.insert(out, chunk({ content = calls.refusal(call.name, outcome) }))
    else
      local text = outcome.raw and text_of(call, outcome.raw) or table.concat(call.pieces)
      table.insert(out, chunk(spelled(call, text, passed)))
      passed = passed + 1
    end
  end
  if passed == 0 and ENDS[ev.data:get(at .. ".finish_reason")] then
    ev.data:set(at .. ".finish_reason", "stop")
  end
  return out
end

-- One entry of a whole message: the entry as it may pass, or nothing and what is said instead.
local function judged(req, plugin, entry, key)
  local list = { order = {} }
  local call = collect(list, key, entry, { config = { max_input = math.huge } })
  local outcome = calls.judge(req, plugin, call.name, raw_of(call))
  if not outcome.allow then
    return nil, calls.refusal(call.name, outcome)
  end
  return outcome.raw and text_of(call, outcome.raw) or true
end

local function on_message(req, body, plugin, at)
  local said, passed = {}, 0
  local message = at .. ".message"
  local place = 1
  while place <= (body:len(message .. ".tool_calls") or 0) do
    local entry = string.format("%s.tool_calls[%d]", message, place)
    local value = body:get(entry)
    if type(value) == "table" and value.custom ~= nil and value["function"] ~= nil then
      -- Both at once: a client would take the one that nobody looked at.
      body:delete(entry .. ".function")
    end
    local text, refused = judged(req, plugin, type(value) == "table" and value or {}, "call")
    if refused then
      table.insert(said, refused)
      body:delete(entry)
    else
      if text ~= true then
        local custom = body:kind(entry .. ".custom") == "object"
        body:set(entry .. (custom and ".custom.input" or ".function.arguments"), text)
      end
      passed, place = passed + 1, place + 1
    end
  end
  if body:len(message .. ".tool_calls") == 0 then
    body:delete(message .. ".tool_calls")
  end
  local old = body:get(message .. ".function_call")
  if type(old) == "table" then
    local text, refused = judged(req, plugin, old, "function")
    if refused then
      table.insert(said, refused)
      body:delete(message .. ".function_call")
    else
      passed = passed + 1
      if text ~= true then
        body:set(message .. ".function_call.arguments", text)
      end
    end
  end
  if #said > 0 then
    local content = body:get(message .. ".content")
    if type(content) == "string" and content ~= "" then
      table.insert(said, 1, content)
    end
    body:set(message .. ".content", table.concat(said, "\n"))
    if passed == 0 and ENDS[body:get(at .. ".finish_reason")] then
      body:set(at .. ".finish_reason", "stop")
    end
  end
end

local function has_more(ev, at)
  local usage = ev.data:kind("usage")
  local keys = ev.data:keys(at .. ".delta") or {}
  return #keys > 0 or (usage ~= nil and usage ~= "null")
end

local function on_event(req, ev, plugin)
  if ev.data:kind("choices") ~= "array" then
    return nil
  end
  local state = req.state
  state.choices = state.choices or {}
  local out, taken, more = {}, false, false
  for place = 1, ev.data:len("choices") do
    local at = string.format("choices[%d]", place)
    local index = "choice " .. tostring(ev.data:get(at .. ".index", 0))
    local list = state.choices[index] or { order = {} }
    state.choices[index] = list
    taken = take(ev, at, list, plugin) or taken
    if ev.data:kind(at .. ".message") == "object" then
      -- No chunk has a whole message, but a client might take the calls of one that has.
      on_message(req, ev.data, plugin, at)
    end
    if ev.data:kind(at .. ".finish_reason") == "string" then
      more = true
      for _, event in ipairs(decide(req, ev, plugin, at, list)) do
        table.insert(out, event)
      end
      state.choices[index] = nil
    else
      more = more or has_more(ev, at)
    end
  end
  if #out > 0 then
    table.insert(out, ev)
    return out
  end
  if taken and not more then
    return ccproxy.DROP
  end
  return nil
end

local function on_whole(req, body, plugin)
  for place = 1, body:len("choices") or 0 do
    on_message(req, body, plugin, string.format("choices[%d]", place))
  end
end

return { event = on_event, whole = on_whole }
