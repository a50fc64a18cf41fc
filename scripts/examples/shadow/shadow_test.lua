test("the second model is asked what the first was", function(t)
  local p = t.proxy { config = { percent = 100 } }
  p.http:on("POST http://127.0.0.1:8000/v1/chat/completions", { json = { said = "second" } })
  local res = p:openai_chat { prompt = "hi", stream = true }
  t.eq(res.status, 200)
  p:settle()
  t.eq(p.http.last.json.model, "mock/mock")
  t.eq(p.http.last.json.stream, false)
  t.eq(p.http.last.json.messages[1].content, "hi")
  local kept = ccproxy.json.decode(p.file.read("shadow.jsonl"))
  t.eq(kept.answer, '{"said":"second"}')
  t.eq(kept.of, p.http.last.headers["x-shadow-of"])
end)

test("its own requests are not replayed", function(t)
  local p = t.proxy { config = { percent = 100 } }
  p:anthropic { headers = { ["x-shadow-of"] = "1" } }
  p:settle()
  t.eq(p.http.count, 0)
end)

test("a second model that is slow is waited for", function(t)
  local p = t.proxy { config = { percent = 100 } }
  p.http:on("POST http://127.0.0.1:8000/v1/messages", { json = { said = "at last" }, delay = "90s" })
  p:anthropic {}
  t.advance("2m")
  p:settle()
  t.eq(ccproxy.json.decode(p.file.read("shadow.jsonl")).answer, '{"said":"at last"}')
end)

test("that the second model took too long is kept, too", function(t)
  local p = t.proxy { config = { percent = 100 } }
  p.http:on("POST http://127.0.0.1:8000/v1/messages", { json = { said = "second" }, delay = "1h" })
  p:anthropic {}
  t.advance("6m")
  p:settle()
  t.contains(p.file.read("shadow.jsonl"), '"error":"no whole answer')
end)

test("what only counts tokens is not replayed, nor what belongs to a stream", function(t)
  local p = t.proxy { config = { percent = 100 } }
  p:anthropic { path = "/v1/messages/count_tokens" }
  p:settle()
  t.eq(p.http.count, 0)
  p.http:on("POST http://127.0.0.1:8000/v1/chat/completions", { json = {} })
  p:openai_chat { stream = true, stream_options = { include_usage = true } }
  p:settle()
  t.eq(p.http.last.json.stream_options, nil)
end)
