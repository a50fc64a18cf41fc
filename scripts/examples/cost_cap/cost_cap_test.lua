---@diagnostic disable: need-check-nil, param-type-mismatch

local USAGE = { input_tokens = 100000, output_tokens = 20000 }

test("the cap of the month holds, after a warning", function(t)
  local p = t.proxy { config = { dollars = 1 } }
  p.upstream:always { json = { type = "message", role = "assistant", content = {}, usage = USAGE } }
  local question = { model = "claude-sonnet-4-5", provider = "claude_api" }
  p:anthropic(question)
  p:settle()
  t.near(p:get("/cost_cap/spent").json.spent, 0.6)
  t.eq(#p.logs, 0)
  t.eq(p:anthropic(question).status, 200)
  p:settle()
  t.contains(p.logs[1].message, "most of the money")
  t.eq(p:anthropic(question).status, 429)
  t.eq(p.upstream.count, 2)
end)

test("a new month begins at nothing", function(t)
  local p = t.proxy { config = { dollars = 0.5 } }
  p.upstream:always { json = { type = "message", role = "assistant", content = {}, usage = USAGE } }
  local question = { model = "claude-sonnet-4-5", provider = "claude_api" }
  p:anthropic(question)
  p:settle()
  t.eq(p:anthropic(question).status, 429)
  t.advance("745h")
  t.eq(p:anthropic(question).status, 200)
end)
