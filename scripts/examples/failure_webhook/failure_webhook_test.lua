---@diagnostic disable: need-check-nil, param-type-mismatch

local HOOK = "POST https://hooks.example.com/ccproxy"

test("a failure is posted once a minute", function(t)
  local p = t.proxy()
  p.http:on(HOOK, { status = 204 })
  p.upstream:always { refuse = "nobody is there" }
  p:anthropic {}
  p:anthropic {}
  p:settle()
  t.eq(p.http.count, 1)
  t.eq(p.http.last.json.client, "anonymous")
  t.advance("61s")
  p:anthropic {}
  p:settle()
  t.eq(p.http.count, 2)
end)

test("so are answers of 500 and more", function(t)
  local p = t.proxy()
  p.http:on(HOOK, { status = 500 })
  p.upstream:reply { status = 503, json = { type = "error", error = { type = "api_error", message = "down" } } }
  p:anthropic { provider = "claude_api" }
  p:settle()
  t.contains(p.http.last.json.text, "503")
  t.contains(p.logs[1].message, "was not told")
end)
