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
