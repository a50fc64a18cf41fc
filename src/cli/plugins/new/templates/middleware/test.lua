-- `ccproxy plugins test` runs this: a whole proxy, without a network; time passes when the test says so.

test("marks requests and answers", function(t)
  local p = t.proxy()
  local res = p:anthropic { prompt = "hello" }
  t.eq(res.status, 200)
  t.eq(res.headers["x-seen-by"], "@NAME@")
  t.eq(p.upstream.last.headers["x-seen-by"], "@NAME@")
end)

test("refuses what is too much, for a minute", function(t)
  local p = t.proxy { config = { per_minute = 1 } }
  t.eq(p:openai_chat({}).status, 200)
  local refused = p:openai_chat {}
  t.eq(refused.status, 429)
  t.has(refused.error, { message = "too many requests" })
  t.eq(p.upstream.count, 1, "the provider was not asked again")
  t.advance("1m")
  t.eq(p:openai_chat({}).status, 200)
end)
