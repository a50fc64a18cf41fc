test("the letters decide, in every format", function(t)
  local p = t.proxy()
  t.eq(p:anthropic({ prompt = "Hello there" }).status, 200)
  t.eq(p:anthropic({ prompt = "Привет, как дела?" }).status, 400)
  t.eq(p:openai_chat({ prompt = "Привет" }).status, 400)
  t.eq(p:openai_responses({ input = "Привет" }).status, 400)
  t.eq(p:anthropic({ prompt = "What does Привет mean in English?" }).status, 200)
  t.eq(p:anthropic({ prompt = "1 + 1 = ?" }).status, 200)
end)

test("others may be allowed", function(t)
  local p = t.proxy { config = { scripts = { "latin", "cyrillic" } } }
  t.eq(p:anthropic({ prompt = "Привет" }).status, 200)
end)

test("what the user said last counts, not what stands behind it", function(t)
  local p = t.proxy()
  local words = { role = "user", content = "Привет, как дела?" }
  t.eq(p:anthropic({ messages = { words, { role = "assistant", content = "Well:" } } }).status, 400)
  local call = { id = "c", type = "function", ["function"] = { name = "ls", arguments = "{}" } }
  local result = { role = "tool", tool_call_id = "c", content = "Привет, как дела?" }
  local asked = { role = "user", content = "Which files are there?" }
  t.eq(
    p:openai_chat({ messages = { asked, { role = "assistant", tool_calls = { call } }, result } }).status,
    200
  )
end)
