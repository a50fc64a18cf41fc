-- What reaches the provider, field by field.

local function sent(p)
  return p.upstream.last.json
end

test("a limit that is too high is lowered, others stay", function(t)
  local p = t.proxy { config = { limit = 1000 } }
  p:anthropic { max_tokens = 5000 }
  t.eq(sent(p).max_tokens, 1000)
  p:anthropic { max_tokens = 10 }
  t.eq(sent(p).max_tokens, 10)
  p:openai_chat { max_tokens = 5000, max_completion_tokens = 20 }
  t.has(sent(p), { max_tokens = 1000, max_completion_tokens = 20 })
  p:openai_responses { max_output_tokens = 5000 }
  t.eq(sent(p).max_output_tokens, 1000)
end)

test("what needs no change goes byte for byte", function(t)
  local p = t.proxy { config = { limit = 1000 } }
  local body = '{ "max_tokens":10,"model":"claude-x" ,"messages":[],"n":1.0}'
  p:anthropic { body = body }
  t.eq(p.upstream.last.body, body)
end)

test("a missing limit is filled in where the format requires one", function(t)
  local p = t.proxy { config = { limit = 1000 } }
  p:anthropic { body = '{"model":"claude-x","messages":[]}' }
  t.eq(sent(p).max_tokens, 1000)
  p:openai_chat {}
  t.eq(sent(p).max_completion_tokens, nil)
  p = t.proxy { config = { limit = 1000, enforce = true } }
  p:openai_chat {}
  t.eq(sent(p).max_completion_tokens, 1000)
end)

test("the model's name that says most counts", function(t)
  local p = t.proxy { config = { limit = 9, models = { ["claude-*"] = 7, ["claude-haiku-4-5"] = 5 } } }
  for model, limit in pairs { ["claude-haiku-4-5"] = 5, ["claude-opus-4-1"] = 7 } do
    p:anthropic { model = model, max_tokens = 100 }
    t.eq(sent(p).max_tokens, limit, model)
  end
end)

test("a thinking budget fits into the limit", function(t)
  local p = t.proxy { config = { limit = 2000 } }
  p:anthropic { max_tokens = 9000, thinking = { type = "enabled", budget_tokens = 8000 } }
  t.has(sent(p), { max_tokens = 2000, thinking = { budget_tokens = 1999 } })
  p = t.proxy { config = { limit = 500 } }
  p:anthropic { max_tokens = 9000, thinking = { type = "enabled", budget_tokens = 8000 } }
  t.eq(sent(p).thinking, nil)
end)
