-- What stands in the files, and what never does.

local redactor = require("redact").redactor

local function written(p)
  local days = p.file.list()
  local text = ""
  for _, day in ipairs(days) do
    for _, name in ipairs(p.file.list(day)) do
      text = text .. (p.file.read(day .. "/" .. name) or "")
    end
  end
  return text
end

test("an exchange is one file with both sides", function(t)
  local p = t.proxy()
  p:anthropic { prompt = "hello you" }
  t.eq(p.file.list(), { "2026-01-01" })
  t.eq(#p.file.list("2026-01-01"), 1)
  local text = written(p)
  for _, part in ipairs {
    "client request",
    "provider request",
    "provider response",
    "client response",
    "hello you",
  } do
    t.contains(text, part)
  end
end)

test("credentials are not written", function(t)
  local p = t.proxy()
  p:anthropic {
    headers = { ["x-api-key"] = "sk-ant-secret-of-the-client", authorization = "Bearer secret-of-the-client" },
    prompt = 'my {"api_key": "hidden-value"} and sk-ant-0123456789abcdef',
  }
  local text = written(p)
  for _, secret in ipairs { "secret-of-the-client", "hidden-value", "0123456789abcdef", "test-key" } do
    t.lacks(text, secret)
  end
  t.contains(text, "[redacted]")
end)

test("bodies can stay out", function(t)
  local p = t.proxy { config = { bodies = false } }
  p:anthropic { prompt = "a secret plan" }
  local text = written(p)
  t.contains(text, "left out")
  t.lacks(text, "secret plan")
end)

test("only the paths that are asked for", function(t)
  local p = t.proxy { config = { include_paths = { "/v1/responses" }, provider = false } }
  p:anthropic {}
  t.eq(p.file.list(), {})
  p:openai_responses {}
  t.lacks(written(p), "provider request")
  t.contains(written(p), "client request")
end)

test("days that are over are removed", function(t)
  local p = t.proxy { config = { keep_days = 1 } }
  p:anthropic {}
  t.eq(#p.file.list(), 1)
  t.advance("3d")
  t.eq(p.file.list(), {})
end)

test("a pattern of the operator's is redacted, a wrong one refuses to start", function(t)
  t.eq(redactor { "[0-9]{4}" }("pin 1234"), "pin [redacted]")
  t.raises(function()
    t.proxy { config = { redact_patterns = { "(" } } }
  end, "redact_patterns")
end)
