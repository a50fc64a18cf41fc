-- The provider sees the model, the client its alias.

local ALIASES = { fast = "claude-haiku-4-5", ["big-*"] = "claude-opus-4-1" }

test("an alias is another name, there and back", function(t)
  local p = t.proxy { config = { aliases = ALIASES } }
  local res = p:anthropic { model = "fast" }
  t.eq(p.upstream.last.json.model, "claude-haiku-4-5")
  t.eq(res.json.model, "fast")
  t.eq(p:anthropic({ model = "big-one" }).json.model, "big-one")
  t.eq(p.upstream.last.json.model, "claude-opus-4-1")
end)

test("streams name the model as the client did, wherever they are cut", function(t)
  local p = t.proxy { config = { aliases = ALIASES } }
  local events = {
    { event = "message_start", data = { type = "message_start", message = { model = "claude-haiku-4-5" } } },
    { event = "message_stop", data = { type = "message_stop" } },
  }
  p.upstream:every_cut({ events = events }, function()
    local res = p:anthropic { model = "fast", stream = true }
    t.eq(#res.events, 2)
    t.has(res.events[1], { data = { message = { model = "fast" } } })
    t.lacks(res.body, "haiku")
  end)
end)

test("every chunk of the other formats is renamed", function(t)
  local p = t.proxy { config = { aliases = { fast = "gpt-5-mini" } } }
  local res = p:openai_chat { model = "fast", stream = true }
  for _, event in ipairs(res.events) do
    if type(event.data) == "table" then
      t.eq(event.data.model, "fast")
    end
  end
  res = p:openai_responses { model = "fast", stream = true }
  t.has(res.events[1], { data = { response = { model = "fast" } } })
  t.lacks(res.body, "gpt-5-mini")
end)

test("answers keep the model's own name when that is wanted", function(t)
  local p = t.proxy { config = { aliases = ALIASES, restore = false } }
  t.eq(p:anthropic({ model = "fast" }).json.model, "claude-haiku-4-5")
end)

test("other models are not touched", function(t)
  local p = t.proxy { config = { aliases = ALIASES } }
  local body = '{"model" : "claude-sonnet-4-5","max_tokens":1,"messages":[]}'
  p:anthropic { body = body }
  t.eq(p.upstream.last.body, body)
end)
