---@diagnostic disable: need-check-nil, param-type-mismatch

local PROMPT = "Write to ada@example.com about 4111 1111 1111 1111, then to ada@example.com again"
local CLIENTS = { "anthropic", "openai_chat", "openai_responses" }

-- Every way to cut a text into two pieces, and into its bytes.
local function cuts(text)
  local all = { {} }
  for at = 1, #text do
    table.insert(all[1], string.sub(text, at, at))
    table.insert(all, { string.sub(text, 1, at), at < #text and string.sub(text, at + 1) or nil })
  end
  return all
end

-- The events of a stream that calls a tool, its arguments cut into these pieces.
local CALLS = {
  anthropic = function(pieces)
    local message =
      { type = "message", role = "assistant", content = ccproxy.json.array(), model = "claude-x" }
    local tool = { type = "tool_use", id = "t", name = "send", input = ccproxy.json.object() }
    local events = {
      { type = "message_start", message = message },
      { type = "content_block_start", index = 0, content_block = tool },
    }
    for _, piece in pieces do
      local delta = { type = "input_json_delta", partial_json = piece }
      table.insert(events, { type = "content_block_delta", index = 0, delta = delta })
      table.insert(events, { type = "ping" })
    end
    table.insert(events, { type = "content_block_stop", index = 0 })
    local finish = { stop_reason = "tool_use" }
    table.insert(events, { type = "message_delta", delta = finish, usage = { output_tokens = 3 } })
    table.insert(events, { type = "message_stop" })
    return events
  end,
  openai_chat = function(pieces)
    local events = {}
    local function chunk(delta, finish)
      local choice = { index = 0, delta = delta, finish_reason = finish or ccproxy.null }
      table.insert(events, { id = "c", object = "chat.completion.chunk", created = 1, choices = { choice } })
    end
    local begun = { index = 0, id = "t", type = "function", ["function"] = { name = "send", arguments = "" } }
    chunk({ role = "assistant", tool_calls = { begun } })
    for at, piece in pieces do
      local call = { index = 0, ["function"] = { arguments = piece } }
      -- Some servers end in the event that has the last piece.
      chunk({ tool_calls = { call } }, at == #pieces and "tool_calls" or nil)
    end
    table.insert(events, "[DONE]")
    return events
  end,
  openai_responses = function(pieces)
    local call = { type = "function_call", id = "fc", call_id = "t", name = "send", status = "completed" }
    call.arguments = table.concat(pieces)
    local response = { id = "r", object = "response", status = "completed", output = { call } }
    local place = { item_id = "fc", output_index = 0 }
    local function event(name, fields)
      local made = table.clone(place)
      made.type = "response." .. name
      for key, value in fields do
        made[key] = value
      end
      return made
    end
    local events = {
      { type = "response.created", response = { id = "r", output = ccproxy.json.array() } },
      event(
        "output_item.added",
        { item = { type = "function_call", id = "fc", name = "send", arguments = "" } }
      ),
    }
    for _, piece in pieces do
      table.insert(events, event("function_call_arguments.delta", { delta = piece }))
    end
    table.insert(events, event("function_call_arguments.done", { arguments = call.arguments }))
    table.insert(events, event("output_item.done", { item = call }))
    table.insert(events, { type = "response.completed", response = response })
    for number, made in events do
      made.sequence_number = number - 1
    end
    return events
  end,
}

local function sent(pieces, ask)
  local events = {}
  for _, data in CALLS[ask](pieces) do
    table.insert(events, { event = ask ~= "openai_chat" and data.type or nil, data = data })
  end
  return { events = events }
end

-- The arguments, as a client puts them together from the deltas.
local function arguments(res, ask)
  local pieces = {}
  for _, event in res.events do
    local data = event.data
    if ask == "anthropic" and data.type == "content_block_delta" then
      table.insert(pieces, data.delta.partial_json)
    elseif ask == "openai_responses" and data.type == "response.function_call_arguments.delta" then
      table.insert(pieces, data.delta)
    elseif ask == "openai_chat" and type(data) == "table" then
      local calls = data.choices[1].delta.tool_calls
      table.insert(pieces, calls and calls[1]["function"].arguments or "")
    end
  end
  return table.concat(pieces)
end

test("the provider sees marks, the client its own words", function(t)
  local p = t.proxy()
  p.upstream:reply({ say = "Mail sent to [EMAIL_1], card [CARD_2], not [EMAIL_9]" })
  local res = p:anthropic({ prompt = PROMPT })
  t.contains(p.upstream.last.body, "Write to [EMAIL_1] about [CARD_2], then to [EMAIL_1] again")
  t.lacks(p.upstream.last.body, "ada@example.com")
  t.eq(res.text, "Mail sent to ada@example.com, card 4111 1111 1111 1111, not [EMAIL_9]")
end)

test("streams are restored wherever they are cut", function(t)
  local p = t.proxy()
  for _, ask in CLIENTS do
    for _, text in { "To [EMAIL_1] or [x] [CARD_2]", "[EMAIL_1][CARD_2] [EMAIL", "[EMAIL_1] [" } do
      local wanted = string.gsub(text, "%[EMAIL_1%]", "ada@example.com")
      wanted = string.gsub(wanted, "%[CARD_2%]", "4111 1111 1111 1111")
      for _, pieces in cuts(text) do
        p.upstream:reply({ say = pieces })
        local res = p[ask](p, { prompt = PROMPT, input = PROMPT, stream = true })
        t.eq(res.text, wanted, ask .. ": " .. ccproxy.json.encode(pieces))
        t.eq(res.broken, nil)
        t.lacks(res.body, "[EMAIL_1]")
        t.lacks(res.body, "[CARD_2]")
      end
    end
  end
end)

test("so are the arguments of tools", function(t)
  local p = t.proxy()
  local text = '{"to":"[EMAIL_1]","n":[1],"x":"["}'
  for _, ask in CLIENTS do
    local provider = ask == "anthropic" and "claude_api" or "openai"
    for _, pieces in cuts(text) do
      p.upstream:reply(sent(pieces, ask))
      local res = p[ask](p, { prompt = PROMPT, input = PROMPT, stream = true, provider = provider })
      local told = ask .. ": " .. ccproxy.json.encode(pieces)
      t.eq(arguments(res, ask), '{"to":"ada@example.com","n":[1],"x":"["}', told)
      t.lacks(res.body, "[EMAIL_1]", told)
    end
  end
end)

test("the closing events of Responses say the same, and are numbered", function(t)
  local p = t.proxy()
  p.upstream:reply({ say = "To [EMAIL_1] and [" })
  local res = p:openai_responses({ input = PROMPT, stream = true })
  local last
  for _, event in res.events do
    t.truthy(not last or event.data.sequence_number == last + 1, event.data.type)
    last = event.data.sequence_number
  end
  t.eq(res.events[#res.events].data.response.output[1].content[1].text, "To ada@example.com and [")
end)

test("whole answers have the arguments of tools, as JSON", function(t)
  local p = t.proxy()
  for _, ask in CLIENTS do
    p.upstream:reply({ tool = { name = "send", input = { to = "[EMAIL_1]" } } })
    local res = p[ask](p, { prompt = PROMPT, input = PROMPT })
    t.contains(res.body, "ada@example.com", ask)
    t.lacks(res.body, "[EMAIL_1]", ask)
  end
end)

test("what tools were asked is hidden, too, and stays JSON", function(t)
  local p = t.proxy()
  local text = '{"card": 4111111111111111, "big": 12345678901234567890, "to": "Dear\\nada@example.com"}'
  local called = { id = "c", type = "function", ["function"] = { name = "send", arguments = text } }
  p:openai_chat({
    provider = "openai",
    messages = {
      { role = "user", content = "go" },
      { role = "assistant", tool_calls = { called } },
      { role = "tool", tool_call_id = "c", content = '{"from":"bob@example.com"}' },
    },
  })
  local messages = p.upstream.last.json.messages
  t.eq(messages[2].tool_calls[1]["function"].arguments, (string.gsub(text, "ada@example.com", "[EMAIL_1]")))
  t.eq(messages[3].content, '{"from":"[EMAIL_2]"}')
end)

test("thoughts go and come as they are: they are signed", function(t)
  local p = t.proxy()
  local thought = { type = "thinking", thinking = "about [EMAIL_1] and bob@example.com", signature = "s" }
  local said = { type = "text", text = "to [EMAIL_1]" }
  p.upstream:reply({ json = { type = "message", role = "assistant", content = { thought, said } } })
  local res = p:anthropic({
    provider = "claude_api",
    messages = {
      { role = "user", content = PROMPT },
      { role = "assistant", content = { thought } },
      { role = "user", content = "go on" },
    },
  })
  t.eq(p.upstream.last.json.messages[2].content[1], thought)
  t.eq(res.json.content[1], thought)
  t.eq(res.json.content[2].text, "to ada@example.com")

  local function event(kind, fields)
    fields.type = kind
    return { event = kind, data = fields }
  end
  local message = { type = "message", role = "assistant", content = ccproxy.json.array(), model = "claude-x" }
  local deltas = {}
  for at, delta in
    {
      { type = "thinking_delta", thinking = "about [EMAIL_1]" },
      { type = "signature_delta", signature = "s" },
    }
  do
    deltas[at] = event("content_block_delta", { index = 0, delta = delta })
  end
  p.upstream:reply {
    events = {
      event("message_start", { message = message }),
      event("content_block_start", { index = 0, content_block = { type = "thinking", thinking = "" } }),
      deltas[1],
      deltas[2],
      event("content_block_stop", { index = 0 }),
      event("message_delta", { delta = { stop_reason = "end_turn" }, usage = { output_tokens = 3 } }),
      event("message_stop", {}),
    },
  }
  res = p:anthropic { provider = "claude_api", prompt = PROMPT, stream = true }
  t.contains(res.body, "about [EMAIL_1]")

  local delta = { role = "assistant", reasoning_content = "about [EMAIL_1]" }
  p.upstream:reply {
    events = { { data = { choices = { { index = 0, delta = delta } } } }, { data = "[DONE]" } },
  }
  res = p:openai_chat { provider = "openai", prompt = PROMPT, stream = true }
  t.contains(res.body, "about [EMAIL_1]")
end)

test("a prompt without any goes byte for byte", function(t)
  local p = t.proxy()
  local body = '{ "model":"claude-x","max_tokens":1,"messages":[{"role":"user","content":"hi"}] }'
  p:anthropic({ body = body })
  t.eq(p.upstream.last.body, body)
end)

test("and one with some, but for them", function(t)
  local p = t.proxy()
  local body =
    '{ "model":"claude-x","max_tokens":1,"messages":[{"role":"user","content":"%s", "n": 12345678901234567890}] }'
  p:anthropic({ provider = "claude_api", body = string.format(body, "hi ada@example.com") })
  t.eq(p.upstream.last.body, string.format(body, "hi [EMAIL_1]"))
end)
