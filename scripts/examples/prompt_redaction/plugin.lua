-- Takes mail addresses and card numbers out of prompts, and puts them back into answers, arguments of tools included: the
-- provider sees `[EMAIL_1]`, the client what it wrote. What the model thinks stays as it is, since it may be signed.

local pieces = require("pieces")

local KINDS = {
  { name = "EMAIL", pattern = ccproxy.re.compile([=[[\w.+-]+@[\w-]+(?:\.[\w-]+)+]=]) },
  { name = "CARD", pattern = ccproxy.re.compile([[(?-u:\b)\d(?:[ -]?\d){12,15}(?-u:\b)]]) },
}
local MARK = assert(ccproxy.re.compile([=[\[(?:EMAIL|CARD)_\d+\]]=]))
-- Something that may become a mark when the next piece comes.
local BEGUN = assert(ccproxy.re.compile([=[\[[A-Z]{0,5}(?:_\d{0,9})?$]=]))
-- A picture or a file.
local DATA = "^data:[%w/+.;=-]*;base64,"
-- A string in JSON text.
local STRING = assert(ccproxy.re.compile([["(?:[^"\\]|\\.)*"]]))

---@type table<any, boolean?>
local THOUGHTS = { thinking = true, thinking_delta = true, redacted_thinking = true, reasoning = true }
-- What is no text, in messages and in parts of them.
local OPAQUE = { "id", "call_id", "tool_use_id", "tool_call_id", "encrypted_content" }

-- Every text at any depth, with its path: prompts and answers stand in many places.
---@param value any
local function each_text(value, path, visit, key)
  if type(value) == "string" then
    if not string.find(value, DATA) then
      visit(path, value, key == "arguments")
    end
  elseif type(value) == "table" and not THOUGHTS[value.type] and value.type ~= "base64" then
    local part = value.type or value.role
    for name, item in value do
      if not (part and table.find(OPAQUE, name)) and name ~= "reasoning_content" then
        local step = type(name) == "number" and name or ccproxy.json.encode(name)
        each_text(item, path .. "[" .. step .. "]", visit, name)
      end
    end
  end
end

local function hide(text, state)
  for _, kind in KINDS do
    text = ccproxy.re.gsub(kind.pattern, text, function(found)
      if not state.marks[found] then
        state.count = state.count + 1
        local mark = "[" .. kind.name .. "_" .. state.count .. "]"
        state.marks[found], state.values[mark] = mark, found
      end
      return state.marks[found]
    end)
  end
  return text
end

-- JSON has numbers that are no cards, and escapes that are no letters of an address: only its strings count.
local function hide_in_json(text, state)
  if ccproxy.json.decode(text) == nil then
    return hide(text, state)
  end
  return (
    ccproxy.re.gsub(STRING, text, function(quoted)
      local inner = ccproxy.json.decode(quoted)
      local hidden = hide(inner, state)
      return hidden ~= inner and ccproxy.json.encode(hidden) or nil
    end)
  )
end

local function restore(text, state, json)
  return (
    ccproxy.re.gsub(MARK, text, function(mark)
      local value = state.values[mark]
      return json and value and string.sub(ccproxy.json.encode(value), 2, -2) or value
    end)
  )
end

-- Restores a document, or one value in it. What is not changed stays byte for byte.
local function restore_all(body, path, value, state)
  each_text(value, path, function(place, text, json)
    local restored = restore(text, state, json)
    if restored ~= text then
      body:set(place, restored)
    end
  end, path)
end

---@type ccproxy.Plugin
return {
  name = "prompt_redaction",
  version = "1.1.0",
  description = "Hides mail addresses and card numbers from the provider, and restores them in answers",
  middleware = {
    {
      layer = "transformation",
      when = { methods = { "POST" } },
      body = "write",
      request = function(req)
        local state = req.state
        state.marks, state.values, state.count = {}, {}, 0
        state.held, state.added = {}, 0
        for _, path in { "system", "messages", "input", "instructions" } do
          each_text(req.body:get(path), path, function(place, text, json)
            local hidden = (json and hide_in_json or hide)(text, state)
            if hidden ~= text then
              req.body:set(place, hidden)
            end
          end)
        end
        if state.count == 0 then
          return ccproxy.DONE
        end
      end,
      response = function(req, res)
        local whole = res.body and res.body:table()
        if type(whole) == "table" then
          for _, path in { "content", "choices", "output", "instructions" } do
            restore_all(res.body, path, whole[path], req.state)
          end
        end
      end,
      event = function(req, ev)
        local state = req.state
        local data = ev.data:table()
        data = type(data) == "table" and data or {}
        if data.type == "ping" or ccproxy.re.glob("response.reasoning*", tostring(data.type)) then
          data = { type = data.type, sequence_number = data.sequence_number }
        end
        -- The events of Responses are numbered: one that was added moves the later ones on.
        local function numbered(event)
          if data.sequence_number then
            event.sequence_number = data.sequence_number + state.added
            state.added = state.added + 1
          end
          return event
        end
        local out = {}
        local found = pieces(data)
        for _, piece in found do
          local before = state.held[piece.key]
          local text = restore((before and before.text or "") .. ev.data:get(piece.path), state, piece.json)
          local begun = not piece.last and ccproxy.re.find(BEGUN, text)
          state.held[piece.key] = begun
              and { text = string.sub(text, begun), alone = piece.alone, name = ev.name }
            or nil
          ev.data:set(piece.path, begun and string.sub(text, 1, begun - 1) or text)
        end
        if #found == 0 and data.type ~= "ping" then
          -- What looked like a mark was none: it goes out before what comes next.
          for _, held in state.held do
            table.insert(out, { event = held.name, data = numbered(held.alone(held.text)) })
          end
          state.held = {}
          restore_all(ev.data, "", data, state)
        end
        if state.added > 0 and data.sequence_number then
          ev.data:set("sequence_number", data.sequence_number + state.added)
        end
        table.insert(out, ev)
        return #out > 1 and out or nil
      end,
    },
  },
}
