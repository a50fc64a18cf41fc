local SCHEMA = {
  type = "object",
  required = { "city", "degrees" },
  properties = {
    city = { type = "string" },
    degrees = { type = "integer" },
    sky = { enum = { "clear", "cloudy" } },
  },
}

test("the model is asked again until it fits", function(t)
  local p = t.proxy { config = { schema = SCHEMA, tries = 3 } }
  p.upstream:reply { say = "It is warm in Rome." }
  p.upstream:reply { say = '{"city":"Rome"}' }
  p.upstream:reply { say = '{"city":"Rome","degrees":31}' }
  local res = p:anthropic {}
  t.eq(res.status, 200)
  t.eq(res.text, '{"city":"Rome","degrees":31}')
  t.eq(#p.logs, 2)
end)

test("and told when it never does, in every format", function(t)
  local p = t.proxy { config = { schema = SCHEMA } }
  for _, ask in { "anthropic", "openai_chat", "openai_responses" } do
    p.upstream:always { say = '{"city":"Rome","degrees":31,"sky":"green"}' }
    local res = p[ask](p, {})
    t.eq(res.status, 502, ask)
    t.contains(res.body, "answer.sky is none of the values")
  end
end)

local FITS = '{"city":"Rome","degrees":31}'

test("thinking may stand before the words, in every format", function(t)
  local p = t.proxy { config = { schema = SCHEMA, tries = 1 } }
  local function part(kind, text)
    return { type = kind, text = text }
  end
  local thought = { type = "thinking", thinking = "Is it warm?", signature = "s" }
  local whole = {
    anthropic = {
      type = "message",
      role = "assistant",
      content = { thought, part("text", '{"city":"Rome",'), part("text", '"degrees":31}') },
    },
    openai_chat = {
      object = "chat.completion",
      choices = {
        { index = 0, message = { role = "assistant", content = FITS, reasoning_content = "Is it?" } },
      },
    },
    openai_responses = {
      object = "response",
      status = "completed",
      output = {
        { type = "reasoning", id = "r", summary = ccproxy.json.array() },
        { type = "message", id = "m", role = "assistant", content = { part("output_text", FITS) } },
        { type = "web_search_call", id = "w", status = "completed" },
      },
    },
  }
  for ask, json in whole do
    p.upstream:reply { json = json }
    local res = p[ask](p, { provider = ask == "anthropic" and "claude_api" or "openai" })
    t.eq(res.status, 200, ask .. ": " .. res.body)
  end
end)

test("calls of tools are no answer yet", function(t)
  local p = t.proxy { config = { schema = SCHEMA, tries = 1 } }
  for _, ask in { "anthropic", "openai_chat", "openai_responses" } do
    p.upstream:reply { say = "Let me look.", tool = { name = "weather", input = { city = "Rome" } } }
    t.eq(p[ask](p, {}).status, 200, ask)
  end
end)

test("what counts tokens is no answer at all", function(t)
  local p = t.proxy { config = { schema = SCHEMA } }
  t.eq(p:anthropic({ path = "/v1/messages/count_tokens" }).status, 200)
end)

test("an empty list of calls is none", function(t)
  local p = t.proxy { config = { schema = SCHEMA, tries = 1 } }
  local message = { role = "assistant", content = "It is warm.", tool_calls = ccproxy.json.array() }
  p.upstream:reply { json = { object = "chat.completion", choices = { { index = 0, message = message } } } }
  t.eq(p:openai_chat({ provider = "openai" }).status, 502)
end)
