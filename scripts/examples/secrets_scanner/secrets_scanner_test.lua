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

test("nor do those that stand on a line of their own, or in quotes", function(t)
  local p = t.proxy()
  local KEY = "sk" .. "-ant-api03-" .. string.rep("a", 24)
  local prompts = {
    "my keys:\n" .. AWS,
    "env:\npassword=hunter2hunter2",
    "key:\t" .. KEY,
    '{"password": "hunter2hunter2"}',
    "passwd: 'hunter2hunter2'",
    "export DB_PASSWORD=hunter2hunter2",
    'a file:\n{"lines":"x\\nsecret=hunter2hunter2"}',
  }
  for _, prompt in prompts do
    t.eq(p:anthropic({ prompt = prompt }).status, 400, prompt)
    t.eq(p:openai_chat({ prompt = prompt }).status, 400, prompt)
    t.eq(p:openai_responses({ input = prompt }).status, 400, prompt)
  end
  -- However the client spells its JSON.
  local body = '{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"%s"}]}'
  t.eq(p:anthropic({ body = string.format(body, "\\u0041" .. string.sub(AWS, 2)) }).status, 400)
  t.eq(p.upstream.count, 0)
end)

test("nor what tools were asked and said", function(t)
  local p = t.proxy()
  local call = { type = "tool_use", id = "t", name = "login", input = { password = "hunter2hunter2" } }
  local asked = { { role = "user", content = "go" }, { role = "assistant", content = { call } } }
  t.eq(p:anthropic({ messages = asked }).status, 400)
  local arguments = '{"command":"cd x\\nexport password=hunter2hunter2"}'
  call = { id = "t", type = "function", ["function"] = { name = "Bash", arguments = arguments } }
  t.eq(p:openai_chat({ messages = { { role = "assistant", tool_calls = { call } } } }).status, 400)
  t.eq(
    p:openai_responses({ input = { { type = "function_call_output", call_id = "t", output = AWS } } }).status,
    400
  )
end)

test("ordinary words do", function(t)
  local p = t.proxy()
  t.eq(p:anthropic({ prompt = "How do I store a password safely? The secret is hashing." }).status, 200)
  -- One text ends where the next begins.
  local parts = { { type = "text", text = "What is my password:" }, { type = "text", text = "nobody-knows" } }
  t.eq(p:anthropic({ messages = { { role = "user", content = parts } } }).status, 200)
  local properties = { password = { type = "string", description = "What the person typed" } }
  local schema = { type = "object", properties = properties, required = { "password" } }
  t.eq(p:anthropic({ tools = { { name = "login", input_schema = schema } } }).status, 200)
end)

test("it may only warn, and some may be excepted", function(t)
  local p = t.proxy { config = { only_warn = true } }
  t.eq(p:anthropic({ prompt = AWS }).status, 200)
  t.eq(p.logs[1].fields.kind, "AWS access key")
  p = t.proxy { config = { except = { "AWS access key" } } }
  t.eq(p:anthropic({ prompt = AWS }).status, 200)
end)
