---@diagnostic disable: need-check-nil, param-type-mismatch

-- Put together here, so that no scanner of this repository takes them for real.
local AWS = "AKIA" .. "IOSFODNN7EXAMPLE"

test("keys do not leave", function(t)
  local p = t.proxy()
  for _, prompt in
    {
      "use " .. AWS,
      "-----BEGIN RSA PRIVATE " .. "KEY-----",
      "my password: correct-horse",
      "gh" .. "p_" .. string.rep("a", 36),
    }
  do
    local res = p:anthropic { prompt = prompt }
    t.eq(res.status, 400, prompt)
    t.lacks(res.body, prompt)
  end
  t.eq(p.upstream.count, 0)
  t.lacks(ccproxy.json.encode(p.logs), AWS)
end)

test("ordinary words do", function(t)
  local p = t.proxy()
  t.eq(p:anthropic({ prompt = "How do I store a password safely? The secret is hashing." }).status, 200)
end)

test("it may only warn, and some may be excepted", function(t)
  local p = t.proxy { config = { only_warn = true } }
  t.eq(p:anthropic({ prompt = AWS }).status, 200)
  t.eq(p.logs[1].fields.kind, "AWS access key")
  p = t.proxy { config = { except = { "AWS access key" } } }
  t.eq(p:anthropic({ prompt = AWS }).status, 200)
end)
