---@diagnostic disable: need-check-nil, param-type-mismatch

test("a key that has spent its budget waits for tomorrow", function(t)
  local p = t.proxy { config = { tokens_a_day = 20 } }
  p.upstream:always {
    json = {
      type = "message",
      role = "assistant",
      content = {},
      usage = { input_tokens = 15, output_tokens = 10 },
    },
  }
  t.eq(p:anthropic({}).status, 200)
  local res = p:anthropic {}
  t.eq(res.status, 429)
  t.contains(res.body, "spent for today")
  t.eq(p.upstream.count, 1)
  t.advance("25h")
  t.eq(p:anthropic({}).status, 200)
end)

test("a key may have a limit of its own", function(t)
  local p = t.proxy { config = { keys = { anonymous = 0 } } }
  t.eq(p:anthropic({}).status, 429)
end)

test("a restart goes on where it was", function(t)
  local p = t.proxy { config = { tokens_a_day = 10 } }
  p:anthropic {}
  p:settle()
  t.advance("61s")
  local kept = p.file.read("spent.json")
  t.eq(kept, '{"spent:2026-01-01:anonymous":15}')
  local again = t.proxy { config = { tokens_a_day = 10 } }
  again.file.append("spent.json", kept)
  again.file.flush()
  again:reload()
  t.eq(again:anthropic({}).status, 429)
  t.advance("24h")
  t.eq(again:anthropic({}).status, 200)
end)

test("an answer that breaks off counts", function(t)
  local p = t.proxy { config = { tokens_a_day = 10 } }
  local usage = { input_tokens = 15, output_tokens = 1 }
  local message = { type = "message", role = "assistant", content = ccproxy.json.array(), usage = usage }
  local start = { event = "message_start", data = { type = "message_start", message = message } }
  p.upstream:reply { events = { start } }
  p:anthropic { provider = "claude_api", stream = true }
  p:settle()
  t.eq(p:anthropic({}).status, 429)
end)
