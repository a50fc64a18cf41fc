---@diagnostic disable: need-check-nil, param-type-mismatch

local BUSY =
  { status = 529, json = { type = "error", error = { type = "overloaded_error", message = "busy" } } }

test("the one that stands in is asked, once", function(t)
  local p = t.proxy()
  p.upstream:reply(BUSY)
  local res = p:anthropic { model = "claude-opus-4-1", provider = "claude_api" }
  t.eq(res.status, 200)
  t.eq(p.upstream.requests[1].json.model, "claude-opus-4-1")
  t.eq(p.upstream.requests[2].json.model, "claude-sonnet-4-5")
end)

test("others keep their answer", function(t)
  local p = t.proxy()
  p.upstream:reply(BUSY)
  t.eq(p:anthropic({ model = "claude-haiku-4-5", provider = "claude_api" }).status, 529)
  p.upstream:reply {
    status = 400,
    json = { type = "error", error = { type = "invalid_request_error", message = "no" } },
  }
  t.eq(p:anthropic({ model = "claude-opus-4-1", provider = "claude_api" }).status, 400)
  t.eq(p.upstream.count, 2)
end)
