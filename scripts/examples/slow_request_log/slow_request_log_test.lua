---@diagnostic disable: need-check-nil, param-type-mismatch

local function fields(first, whole)
  return {
    id = "1",
    model = "m",
    provider = "p",
    head_ms = first,
    first_byte_ms = first,
    duration_ms = whole,
    response_bytes = 9,
  }
end

test("what is slow is logged", function(t)
  local p = t.proxy { config = { first_byte = "2s", whole = "1m" } }
  p:emit("request.completed", fields(1999, 59000))
  t.eq(#p.logs, 0)
  p:emit("request.completed", fields(2000, 2500))
  p:emit("request.completed", fields(100, 60000))
  p:emit("request.completed", fields(ccproxy.null, 60000))
  t.eq(#p.logs, 3)
  t.eq(p.logs[2].fields.duration_ms, 60000)
end)

test("so is what failed after a long time", function(t)
  local p = t.proxy { config = { whole = "1m" } }
  p.upstream:reply { delay = "2m", breaks = 40 }
  local asked = p:start("anthropic", {})
  t.advance("2h")
  asked:wait()
  p:settle()
  t.eq(p.logs[#p.logs].message, "slow")
  t.truthy(p.logs[#p.logs].fields.error)
end)
