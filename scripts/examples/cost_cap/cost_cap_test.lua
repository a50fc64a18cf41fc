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

test("a restart goes on where it was", function(t)
  local p = t.proxy { config = { dollars = 1 } }
  p.upstream:always { json = { type = "message", role = "assistant", content = {}, usage = USAGE } }
  p:anthropic { model = "claude-sonnet-4-5", provider = "claude_api" }
  p:settle()
  t.advance("61s")
  local kept = p.file.read("spent.json")
  t.eq(kept, '{"spent:2026-01":600000}')
  -- Another proxy, with an empty store, and what was written beside a file that was cut.
  local again = t.proxy { config = { dollars = 1 } }
  again.file.append("spent.json", string.sub(kept, 1, 9))
  again.file.append("spent.json.1", kept)
  again.file.flush()
  again:reload()
  t.eq(again:get("/cost_cap/spent").json.spent, 0.6)
  t.contains(again.logs[1].message, "cannot be read")
end)

test("it writes when the sum has changed, and a reload counts nothing twice", function(t)
  local p = t.proxy()
  p.upstream:always { json = { type = "message", role = "assistant", content = {}, usage = USAGE } }
  for _ = 1, 3 do
    p:anthropic { model = "claude-sonnet-4-5", provider = "claude_api" }
  end
  p:settle()
  t.advance("10m")
  t.eq(p.file.list(), { "spent.json" })
  p:reload()
  t.near(p:get("/cost_cap/spent").json.spent, 1.8)
end)

test("what the provider's cache was read and written for has a price, by the name that was asked", function(t)
  local p = t.proxy()
  local usage = { input_tokens = 0, output_tokens = 0, cache_read_input_tokens = 1000000 }
  usage.cache_creation_input_tokens = 1000000
  p.upstream:always { json = { type = "message", role = "assistant", content = {}, usage = usage } }
  p:anthropic { model = "claude_api/claude-opus-4-1" }
  p:settle()
  t.near(p:get("/cost_cap/spent").json.spent, 20.25)
end)

test("an answer that breaks off counts", function(t)
  local p = t.proxy()
  local message = { type = "message", role = "assistant", content = ccproxy.json.array(), usage = USAGE }
  local start = { event = "message_start", data = { type = "message_start", message = message } }
  p.upstream:reply { events = { start } }
  p:anthropic { model = "claude-sonnet-4-5", provider = "claude_api", stream = true }
  p:settle()
  t.near(p:get("/cost_cap/spent").json.spent, 0.6)
end)
