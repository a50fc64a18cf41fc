-- Tool calls in Anthropic's Messages: blocks of type `tool_use`. Tools that the provider runs itself have
-- other types and pass.

local calls = require("calls")

local function event(name, data)
  data.type = name
  return { event = name, data = data }
end

local function decide(req, ev, plugin, call)
  local state, index = req.state, call.index
  local raw = table.concat(call.pieces)
  if raw == "" then
    raw = call.given
  end
  local outcome = calls.judge(req, plugin, call.name, raw)
  if not outcome.allow then
    state.refused = true
    local text = calls.refusal(call.name, outcome)
    return {
      event("content_block_start", { index = index, content_block = { type = "text", text = "" } }),
      event("content_block_delta", { index = index, delta = { type = "text_delta", text = text } }),
      ev,
    }
  end
  state.passed = true
  local out = { { event = "content_block_start", data = call.start } }
  if outcome.raw or raw ~= "{}" then
    local delta = { type = "input_json_delta", partial_json = outcome.raw or raw }
    table.insert(out, event("content_block_delta", { index = index, delta = delta }))
  end
  table.insert(out, ev)
  return out
end

-- Decides about the calls of a message that stands at `prefix`.
local function settle(req, body, plugin, prefix)
  local refused, passed = false, false
  for place = 1, body:len(prefix .. "content") or 0 do
    local at = string.format("%scontent[%d]", prefix, place)
    if body:get(at .. ".type") == "tool_use" then
      local name = tostring(body:get(at .. ".name", ""))
      local outcome = calls.judge(req, plugin, name, body:raw(at .. ".input") or "{}")
      if not outcome.allow then
        refused = true
        body:set(at, { type = "text", text = calls.refusal(name, outcome) })
      else
        passed = true
        if outcome.raw then
          body:set_raw(at .. ".input", outcome.raw)
        end
      end
    end
  end
  if refused and not passed and body:get(prefix .. "stop_reason") == "tool_use" then
    body:set(prefix .. "stop_reason", "end_turn")
  end
  return refused, passed
end

local function react(req, ev, plugin, kind)
  local state = req.state
  local call = state.call
  state.over = state.over or {}
  local place = "block " .. tostring(ev.data:get("index"))
  if kind == "message_start" then
    -- No message begins with calls, but a client would take those of one that does.
    local refused, passed = settle(req, ev.data, plugin, "message.")
    state.refused, state.passed = refused, passed
  elseif kind == "content_block_start" then
    state.over[place] = nil
    if ev.data:get("content_block.type") ~= "tool_use" then
      return nil
    end
    local given = ev.data:raw("content_block.input") or "{}"
    -- Arguments come in one way only, or a client might take others than were decided about.
    ev.data:set_raw("content_block.input", "{}")
    state.call = {
      index = ev.data:get("index"),
      name = tostring(ev.data:get("content_block.name", "")),
      given = given,
      start = ev.data:text(),
      pieces = {},
      size = 0,
    }
    return ccproxy.DROP
  elseif kind == "content_block_delta" and call and ev.data:get("index") == call.index then
    local piece = ev.data:get("delta.partial_json")
    if type(piece) == "string" then
      calls.collect(call, piece, plugin)
    end
    return ccproxy.DROP
  elseif kind == "content_block_stop" and call and ev.data:get("index") == call.index then
    state.call, state.over[place] = nil, true
    return decide(req, ev, plugin, call)
  elseif state.over[place] and (kind == "content_block_delta" or kind == "content_block_stop") then
    -- This call has been decided about: nothing is added to it.
    return ccproxy.DROP
  elseif kind == "message_delta" and (state.refused or call) and not state.passed then
    if ev.data:get("delta.stop_reason") == "tool_use" then
      ev.data:set("delta.stop_reason", "end_turn")
    end
  end
  return nil
end

local function on_event(req, ev, plugin)
  return calls.handle(ev, function(kind)
    return react(req, ev, plugin, kind)
  end)
end

local function on_whole(req, body, plugin)
  settle(req, body, plugin, "")
end

return { event = on_event, whole = on_whole }
