-- The id of an exchange, on the way in and on the way out.

test("every answer has an id, refusals too", function(t)
  local p = t.proxy()
  local id = p:anthropic {}.headers["x-request-id"]
  t.matches(id, "^x[0-9a-f]{16}$")
  t.ne(p:anthropic {}.headers["x-request-id"], id)
  t.eq(p:get("/plugins").status, 200)
  t.truthy(p:get("/plugins").headers["x-request-id"])
end)

test("the client's own id is kept, and goes to the provider when that is wanted", function(t)
  local p = t.proxy { config = { to_provider = true } }
  local res = p:openai_chat { headers = { ["x-request-id"] = "order-7" } }
  t.eq(res.headers["x-request-id"], "order-7")
  t.eq(p.upstream.last.headers["x-request-id"], "order-7")
  p = t.proxy()
  p:openai_chat { headers = { ["x-request-id"] = "order-7" } }
  t.eq(p.upstream.last.headers["x-request-id"], nil)
end)

test("what could harm a log is replaced", function(t)
  local p = t.proxy()
  for _, odd in ipairs { "a b", 'x"y', string.rep("x", 129) } do
    local res = p:anthropic { headers = { ["x-request-id"] = odd } }
    t.matches(res.headers["x-request-id"], "^x[0-9a-f]{16}$", odd)
  end
end)

test("nobody is trusted when that is said", function(t)
  local p = t.proxy { config = { trust_client = false, header = "x-trace" } }
  local res = p:anthropic { headers = { ["x-trace"] = "mine" } }
  t.matches(res.headers["x-trace"], "^x[0-9a-f]{16}$")
end)

test("the provider's id under the same name is kept beside", function(t)
  local p = t.proxy()
  p.upstream:reply { say = "Hi", headers = { ["x-request-id"] = "req_theirs" } }
  local res = p:openai_chat {}
  t.eq(res.headers["x-provider-request-id"], "req_theirs")
  t.ne(res.headers["x-request-id"], "req_theirs")
end)
