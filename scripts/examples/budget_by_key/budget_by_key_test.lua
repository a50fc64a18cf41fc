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
