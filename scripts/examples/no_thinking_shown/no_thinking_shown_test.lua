---@diagnostic disable: need-check-nil, param-type-mismatch

local THOUGHT = { type = "thinking", thinking = "hmm", signature = "s" }
local SAID = { type = "text", text = "Hello" }

test("whole answers have none", function(t)
  local p = t.proxy()
  p.upstream:reply { json = { type = "message", role = "assistant", content = { THOUGHT, SAID } } }
  t.eq(p:anthropic({ provider = "claude_api" }).json.content, { SAID })
end)

test("streams have none, and count on", function(t)
  local p = t.proxy()
  local function event(name, fields)
    fields.type = name
    return { event = name, data = fields }
  end
  local message = { type = "message", role = "assistant", content = ccproxy.json.array(), model = "claude-x" }
  local events = {
    event("message_start", { message = message }),
    event("content_block_start", { index = 0, content_block = { type = "thinking", thinking = "" } }),
    event("content_block_delta", { index = 0, delta = { type = "thinking_delta", thinking = "hmm" } }),
    event("content_block_stop", { index = 0 }),
    event("content_block_start", { index = 1, content_block = { type = "text", text = "" } }),
    event("content_block_delta", { index = 1, delta = { type = "text_delta", text = "Hello" } }),
    event("content_block_stop", { index = 1 }),
    event("message_delta", { delta = { stop_reason = "end_turn" }, usage = { output_tokens = 3 } }),
    event("message_stop", {}),
  }
  p.upstream:every_cut({ events = events }, function()
    local res = p:anthropic { provider = "claude_api", stream = true }
    t.eq(res.text, "Hello")
    t.lacks(res.body, "thinking")
    t.eq(#res.events, 6)
    t.eq(res.events[2].data.index, 0)
  end)
end)
