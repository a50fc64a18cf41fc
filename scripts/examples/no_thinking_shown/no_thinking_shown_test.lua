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

test("nor have the other formats", function(t)
  local p = t.proxy()
  local message = { role = "assistant", content = "Hello", reasoning_content = "hmm" }
  p.upstream:reply { json = { object = "chat.completion", choices = { { index = 0, message = message } } } }
  local res = p:openai_chat { provider = "openai" }
  t.eq(res.json.choices[1].message, { role = "assistant", content = "Hello" })

  local function chunk(delta)
    return { data = { object = "chat.completion.chunk", choices = { { index = 0, delta = delta } } } }
  end
  p.upstream:reply {
    events = { chunk { reasoning_content = "hmm" }, chunk { content = "Hello" }, { data = "[DONE]" } },
  }
  res = p:openai_chat { provider = "openai", stream = true }
  t.eq(res.text, "Hello")
  t.lacks(res.body, "hmm")

  local thought = { type = "reasoning", id = "r", summary = { { type = "summary_text", text = "hmm" } } }
  local said =
    { type = "message", id = "m", role = "assistant", content = { { type = "output_text", text = "Hello" } } }
  local whole = { id = "x", object = "response", status = "completed", output = { thought, said } }
  p.upstream:reply { json = whole }
  t.eq(p:openai_responses({ provider = "openai" }).json.output, { said })

  local events = {}
  for number, data in
    {
      { type = "response.created", response = { id = "x", output = ccproxy.json.array() } },
      { type = "response.output_item.added", output_index = 0, item = { type = "reasoning", id = "r" } },
      { type = "response.reasoning_summary_text.delta", output_index = 0, delta = "hmm" },
      { type = "response.output_item.done", output_index = 0, item = thought },
      { type = "response.output_item.added", output_index = 1, item = { type = "message", id = "m" } },
      { type = "response.output_text.delta", output_index = 1, content_index = 0, delta = "Hello" },
      { type = "response.output_item.done", output_index = 1, item = said },
      { type = "response.completed", response = whole },
    }
  do
    data.sequence_number = number - 1
    table.insert(events, { event = data.type, data = data })
  end
  p.upstream:reply { events = events }
  res = p:openai_responses { provider = "openai", stream = true }
  t.eq(res.text, "Hello")
  t.lacks(res.body, "hmm")
  t.eq(#res.events, 5)
  t.eq(res.events[2].data.output_index, 0)
end)
