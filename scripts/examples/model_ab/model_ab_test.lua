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
