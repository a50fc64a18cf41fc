test("the same question is answered from memory, for a while", function(t)
  local p = t.proxy { config = { ttl = "1m" } }
  p.upstream:always { say = "forty-two" }
  local first = p:anthropic { prompt = "why?" }
  t.eq(first.headers["x-cache"], "miss")
  local second = p:anthropic { prompt = "why?" }
  t.eq(second.headers["x-cache"], "hit")
  t.eq(second.body, first.body)
  t.eq(p.upstream.count, 1)
  p:anthropic { prompt = "how?" }
  t.eq(p.upstream.count, 2)
  t.advance("61s")
  t.eq(p:anthropic({ prompt = "why?" }).headers["x-cache"], "miss")
end)

test("failures and streams are not kept", function(t)
  local p = t.proxy()
  p.upstream:reply { status = 500, json = { type = "error", error = { type = "api_error", message = "no" } } }
  t.eq(p:anthropic({ prompt = "why?" }).status, 500)
  p:anthropic { prompt = "why?" }
  p:anthropic { prompt = "why?", stream = true }
  p:anthropic { prompt = "why?", stream = true }
  t.eq(p.upstream.count, 4)
end)

test("what is no JSON passes as it is", function(t)
  local p = t.proxy()
  p.upstream:always { headers = { ["content-type"] = "audio/mpeg" }, body = "\255\251\144" }
  for _ = 1, 2 do
    local res = p:openai_chat { provider = "openai", prompt = "sing" }
    t.eq(res.status, 200)
    t.eq(res.body, "\255\251\144")
    t.eq(res.headers["content-type"], "audio/mpeg")
  end
end)
