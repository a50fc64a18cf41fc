-- Tool calls in OpenAI's Responses: output items that the client runs. They have a `call_id`; what the
-- provider runs itself (web search, its own MCP client) has none and passes.

local calls = require("calls")

-- Where the item of a call keeps what it is given, and the events that carry it.
---@type table<string, string[]>
local FIELDS = {
  function_call = { "arguments", "response.function_call_arguments" },
  custom_tool_call = { "input", "response.custom_tool_call_input" },
}

local function is_call(item)
  return type(item) == "table"
    and type(item.call_id) == "string"
    and type(item.type) == "string"
    and string.sub(item.type, -5) == "_call"
end

-- Name and arguments (as JSON) of a call.
local function read(item)
  local name = type(item.name) == "string" and item.name or item.type
  if item.type == "function_call" then
    return name, (item.arguments == nil or item.arguments == "") and "{}" or tostring(item.arguments)
  elseif item.type == "custom_tool_call" then
    return name, ccproxy.json.encode({ input = item.input or "" })
  end
  return name, ccproxy.json.encode(item.action or item.operation or ccproxy.json.object())
end

-- Puts other arguments into the item of a call.
local function edit(item, raw)
  if item.type == "function_call" then
    item.arguments = raw
    return
  end
  local value = ccproxy.json.decode(raw)
  if item.type == "custom_tool_call" then
    item.input = type(value) == "table" and type(value.input) == "string" and value.input or raw
  else
    item[item.operation ~= nil and "operation" or "action"] = value
  end
end

-- The item that stands for a refused call.
local function message(item, text)
  return {
    id = "msg_" .. item.call_id,
    type = "message",
    role = "assistant",
    status = "completed",
    content = { { type = "output_text", text = text, annotations = ccproxy.json.array() } },
  }
end

-- Decides about a call, once, and gives the item that stands in the answer, and the refusal.
local function settle(req, plugin, item)
  local state = req.state
  state.settled = state.settled or {}
  local id = item.call_id
  local known = state.settled[id]
  if known then
    return known.item, known.refused
  end
  local name, raw = read(item)
  local outcome = calls.judge(req, plugin, name, raw)
  local refused
  if not outcome.allow then
    refused = calls.refusal(name, outcome)
    item = message(item, refused)
  elseif outcome.raw then
    edit(item, outcome.raw)
  end
  state.settled[id] = { item = item, refused = refused, changed = refused ~= nil or outcome.raw ~= nil }
  return item, refused
end

-- The events of one item from beginning to end, without their numbers.
local function events_of(item, index, refused, added)
  local list = {}
  local function add(kind, data)
    data.type, data.output_index = kind, index
    table.insert(list, data)
  end
  if refused then
    local id = item.id
    local empty = { id = id, type = "message", role = "assistant", status = "in_progress" }
    empty.content = ccproxy.json.array()
    local none = ccproxy.json.array()
    add("response.output_item.added", { item = empty })
    local part = { type = "output_text", text = "", annotations = none }
    add("response.content_part.added", { item_id = id, content_index = 0, part = part })
    local logprobs = ccproxy.json.array()
    add(
      "response.output_text.delta",
      { item_id = id, content_index = 0, delta = refused, logprobs = logprobs }
    )
    add("response.output_text.done", { item_id = id, content_index = 0, text = refused, logprobs = logprobs })
    add("response.content_part.done", { item_id = id, content_index = 0, part = item.content[1] })
  else
    add("response.output_item.added", { item = added })
    local field = FIELDS[item.type]
    if field ~= nil then
      local text = item[field[1]]
      add(field[2] .. ".delta", { item_id = item.id, delta = text })
      add(field[2] .. ".done", { item_id = item.id, name = item.name, [field[1]] = text })
    end
  end
  add("response.output_item.done", { item = item })
  return list
end

-- The next number of a stream whose events are counted.
local function number(state)
  state.last = state.last + 1
  return state.last
end

local function passes(state, ev)
  local at = ev.data:get("sequence_number")
  if type(at) == "number" then
    if state.moved then
      ev.data:set("sequence_number", number(state))
    else
      state.last = at
    end
  end
  return nil
end

local function on_end(req, ev, plugin)
  for place = 1, ev.data:len("response.output") or 0 do
    local at = string.format("response.output[%d]", place)
    local item = ev.data:get(at)
    if is_call(item) then
      local settled = settle(req, plugin, item)
      if req.state.settled[item.call_id].changed then
        ev.data:set(at, settled)
      end
    end
  end
  return passes(req.state, ev)
end

local function on_event(req, ev, plugin)
  local state, kind = req.state, ev.type
  state.held = state.held or {}
  if kind == "response.completed" or kind == "response.incomplete" or kind == "response.failed" then
    return on_end(req, ev, plugin)
  end
  local index = ev.data:get("output_index")
  if index == nil then
    return passes(state, ev)
  end
  local key = "item " .. tostring(index)
  local held = state.held[key]
  if kind == "response.output_item.added" then
    local item = ev.data:get("item")
    if is_call(item) then
      state.held[key] = item
      state.moved = true
      return ccproxy.DROP
    end
  elseif kind == "response.output_item.done" then
    local item = ev.data:get("item")
    if not is_call(item) then
      return passes(state, ev)
    end
    local counted = ev.data:kind("sequence_number") == "number" and state.last ~= nil
    state.held[key] = nil
    local settled, refused = settle(req, plugin, item)
    local out = {}
    for _, data in ipairs(events_of(settled, index, refused, held or item)) do
      data.sequence_number = counted and number(state) or nil
      table.insert(out, { event = ev.name ~= "" and data.type or nil, data = data })
    end
    return out
  elseif held then
    return ccproxy.DROP
  end
  return passes(state, ev)
end

local function on_whole(req, body, plugin)
  for place = 1, body:len("output") or 0 do
    local at = string.format("output[%d]", place)
    local item = body:get(at)
    if is_call(item) then
      local settled = settle(req, plugin, item)
      if req.state.settled[item.call_id].changed then
        body:set(at, settled)
      end
    end
  end
end

return { event = on_event, whole = on_whole }
