-- Tool calls in OpenAI's Responses: output items that the client runs. They are functions and custom tools,
-- and what else has a `call_id`; what the provider runs itself (web search, its own MCP client) has none and
-- passes.

local calls = require("calls")

-- Where the item of a call keeps what it is given, and the events that carry it.
---@type table<string, string[]>
local FIELDS = {
  function_call = { "arguments", "response.function_call_arguments" },
  custom_tool_call = { "input", "response.custom_tool_call_input" },
}

local function is_call(item)
  return type(item) == "table"
    and type(item.type) == "string"
    and string.sub(item.type, -5) == "_call"
    and (FIELDS[item.type] ~= nil or type(item.call_id) == "string")
end

-- What an item of another kind says beside what it is to be run with.
---@type table<string, boolean>
local LABELS = {
  type = true,
  id = true,
  call_id = true,
  status = true,
  name = true,
  environment = true,
  pending_safety_checks = true,
  created_by = true,
}

-- What an item of another kind is to be run with: the one field that says it, or all that it says.
local function rest(item)
  local found, count, only = ccproxy.json.object(), 0, nil
  for key, value in pairs(item) do
    if not LABELS[key] and value ~= ccproxy.null then
      found[key], count, only = value, count + 1, key
    end
  end
  if count == 1 and (only == "action" or only == "operation") then
    return found[only], only
  end
  return found, nil
end

-- A text as it is, anything else as JSON.
local function text_of(value, absent)
  if value == nil or value == "" then
    return absent
  end
  return type(value) == "string" and value or ccproxy.json.encode(value)
end

-- Name and arguments (as JSON) of a call.
local function read(item)
  local name = type(item.name) == "string" and item.name or item.type
  if item.type == "function_call" then
    return name, text_of(item.arguments, "{}")
  elseif item.type == "custom_tool_call" then
    return name, ccproxy.json.encode({ input = item.input or "" })
  end
  return name, ccproxy.json.encode((rest(item)))
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
    return
  end
  local found, only = rest(item)
  if only then
    item[only] = value
    return
  end
  for key in pairs(found) do
    item[key] = nil
  end
  for key, one in pairs(type(value) == "table" and value or {}) do
    if not LABELS[key] then
      item[key] = one
    end
  end
end

-- The item that stands for a refused call.
local function message(item, text)
  return {
    id = "msg_" .. tostring(item.call_id or item.id),
    type = "message",
    role = "assistant",
    status = "completed",
    content = { { type = "output_text", text = text, annotations = ccproxy.json.array() } },
  }
end

-- An item as it is when it begins.
local function begun(item)
  local out = {}
  for key, value in pairs(item) do
    out[key] = value
  end
  local field = FIELDS[item.type]
  if field ~= nil then
    out[field[1]] = ""
  end
  out.status = "in_progress"
  return out
end

-- Decides about a call, once, and gives the item that stands in the answer, the refusal, and whether it is
-- another item than before. The same id with another name, or with other arguments, is another call.
local function settle(req, plugin, item)
  local state = req.state
  state.settled = state.settled or {}
  local name, raw = read(item)
  local id = ccproxy.json.encode({ item.type, tostring(item.call_id), name, raw })
  local known = state.settled[id]
  if known then
    return known.item, known.refused, known.changed
  end
  local outcome = calls.judge(req, plugin, name, raw)
  local refused
  if not outcome.allow then
    refused = calls.refusal(name, outcome)
    item = message(item, refused)
  elseif outcome.raw then
    edit(item, outcome.raw)
  end
  known = { item = item, refused = refused, changed = refused ~= nil or outcome.raw ~= nil }
  state.settled[id] = known
  return item, refused, known.changed
end

-- The events of one item from beginning to end, without their numbers.
local function events_of(item, index, refused)
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
    add("response.output_item.added", { item = begun(item) })
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

-- An event with the whole response: its end, and in a way its beginning too.
local function on_response(req, ev, plugin)
  for place = 1, ev.data:len("response.output") or 0 do
    local at = string.format("response.output[%d]", place)
    local item = ev.data:get(at)
    if is_call(item) then
      local settled, _, changed = settle(req, plugin, item)
      if changed then
        ev.data:set(at, settled)
      end
    end
  end
  return passes(req.state, ev)
end

-- Whether an event carries a piece of a call's arguments.
local function is_piece(kind)
  for _, field in pairs(FIELDS) do
    if string.sub(kind, 1, #field[2] + 1) == field[2] .. "." then
      return true
    end
  end
  return false
end

local function react(req, ev, plugin, kind)
  local state = req.state
  state.held = state.held or {}
  local counts = ev.data:get("sequence_number")
  if state.last == nil and type(counts) == "number" then
    -- A stream that is taken up again begins where it was left.
    state.last = counts - 1
  end
  if ev.data:kind("response.output") == "array" then
    return on_response(req, ev, plugin)
  end
  if is_piece(kind) then
    -- The item brings all of them once it is decided about.
    return ccproxy.DROP
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
    local counted = type(counts) == "number"
    state.held[key], state.moved = nil, true
    local settled, refused = settle(req, plugin, item)
    local out = {}
    for _, data in ipairs(events_of(settled, index, refused)) do
      data.sequence_number = counted and number(state) or nil
      table.insert(out, { event = ev.name ~= "" and data.type or nil, data = data })
    end
    return out
  elseif held then
    return ccproxy.DROP
  end
  return passes(state, ev)
end

local function on_event(req, ev, plugin)
  return calls.handle(ev, function(kind)
    return react(req, ev, plugin, kind)
  end)
end

local function on_whole(req, body, plugin)
  for place = 1, body:len("output") or 0 do
    local at = string.format("output[%d]", place)
    local item = body:get(at)
    if is_call(item) then
      local settled, _, changed = settle(req, plugin, item)
      if changed then
        body:set(at, settled)
      end
    end
  end
end

return { event = on_event, whole = on_whole }
