local function asked(t, percent)
  local p = t.proxy { config = { percent = percent } }
  local res = p:anthropic { model = "claude-sonnet-4-5", provider = "claude_api" }
  return p.upstream.last.json.model, res.headers["x-canary"]
end

test("everybody, nobody", function(t)
  local model, mark = asked(t, 100)
  t.eq(model, "claude-opus-4-1")
  t.eq(mark, "1")
  model, mark = asked(t, 0)
  t.eq(model, "claude-sonnet-4-5")
  t.eq(mark, nil)
end)

test("a client keeps its side", function(t)
  local p = t.proxy { config = { percent = 50 } }
  local first
  for _ = 1, 5 do
    p:anthropic { model = "claude-sonnet-4-5", provider = "claude_api" }
    first = first or p.upstream.last.json.model
    t.eq(p.upstream.last.json.model, first)
  end
end)

test("other models are not touched", function(t)
  local p = t.proxy { config = { percent = 100 } }
  p:anthropic { model = "claude-haiku-4-5", provider = "claude_api" }
  t.eq(p.upstream.last.json.model, "claude-haiku-4-5")
end)
