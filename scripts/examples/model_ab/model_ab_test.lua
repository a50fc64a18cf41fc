test("conversations are shared out, and counted by side", function(t)
  local p = t.proxy()
  local models = {}
  for n = 1, 20 do
    local question = { model = "ab", prompt = "question " .. n, provider = "claude_api" }
    p:anthropic(question)
    local first = p.upstream.last.json.model
    models[first] = (models[first] or 0) + 1
    -- The same conversation stays where it is.
    p:anthropic(question)
    t.eq(p.upstream.last.json.model, first)
  end
  t.truthy(models["claude-sonnet-4-5"] and models["claude-haiku-4-5"])
  p:settle()
  local results = p:get("/model_ab/results").json
  t.eq(results.a.requests + results.b.requests, 40)
  t.eq(results.a.requests, 2 * models["claude-sonnet-4-5"])
end)

test("other models are not compared", function(t)
  local p = t.proxy()
  p:anthropic { model = "claude-opus-4-1", provider = "claude_api" }
  t.eq(p.upstream.last.json.model, "claude-opus-4-1")
  p:settle()
  t.eq(p:get("/model_ab/results").json.a.requests, 0)
end)

test("a conversation stays on its side while it grows, in every format", function(t)
  local p = t.proxy()
  local sides = {}
  local function asked(ask, fields)
    fields.model, fields.provider = "ab", ask == "anthropic" and "claude_api" or "openai"
    p[ask](p, fields)
    sides[ask .. p.upstream.last.json.model] = true
    return p.upstream.last.json.model
  end
  local function user(content)
    return { role = "user", content = content }
  end
  for n = 1, 20 do
    local words, said = "question " .. n, { role = "assistant", content = "answer" }
    local marked = { { type = "text", text = words, cache_control = { type = "ephemeral" } } }
    local plain = { { type = "text", text = words } }
    local first = asked("anthropic", { messages = { user(marked) } })
    t.eq(asked("anthropic", { messages = { user(plain), said, user(marked) } }), first)

    -- All of them begin with the same system prompt.
    local system = { role = "system", content = "Be brief." }
    first = asked("openai_chat", { messages = { system, user(words) } })
    t.eq(asked("openai_chat", { messages = { system, user(words), said, user("go on") } }), first)

    first = asked("openai_responses", { input = words })
    t.eq(asked("openai_responses", { input = { user(words), said, user("go on") } }), first)
  end
  for _, ask in { "anthropic", "openai_chat", "openai_responses" } do
    t.truthy(sides[ask .. "claude-sonnet-4-5"] and sides[ask .. "claude-haiku-4-5"], ask)
  end
end)

test("what gets no answer is a failure", function(t)
  local p = t.proxy()
  p.upstream:always { refuse = "nobody is there" }
  p:anthropic { model = "ab", provider = "claude_api" }
  p:settle()
  local results = p:get("/model_ab/results").json
  t.eq(results.a.failures + results.b.failures, 1)
  p:anthropic { model = "ab", path = "/v1/messages/count_tokens" }
  p:settle()
  results = p:get("/model_ab/results").json
  t.eq(results.a.requests + results.b.requests, 1)
end)
