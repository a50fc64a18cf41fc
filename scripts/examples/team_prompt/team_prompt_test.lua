local WORDS = { prompts = { ["*"] = "Answer in British English." } }

test("each format has its place for it", function(t)
  local p = t.proxy { config = WORDS }
  p:anthropic { system = "Be brief." }
  t.eq(p.upstream.last.json.system, "Answer in British English.\n\nBe brief.")
  p:anthropic { system = { { type = "text", text = "Be brief." } } }
  t.eq(p.upstream.last.json.system[1].text, "Answer in British English.")
  p:anthropic {}
  t.eq(p.upstream.last.json.system, "Answer in British English.")
  p:openai_chat {}
  t.eq(p.upstream.last.json.messages[1], { role = "system", content = "Answer in British English." })
  p:openai_responses { instructions = "Be brief." }
  t.contains(p.upstream.last.json.instructions, "British English.\n\nBe brief.")
end)

test("teams without one are left alone", function(t)
  local p = t.proxy { config = { prompts = { red = "Red." } } }
  p:anthropic {}
  t.eq(p.upstream.last.json.system, nil)
end)

test("what follows stays byte for byte", function(t)
  local p = t.proxy { config = WORDS }
  local rest = '{ "role":"user", "content":"hi", "n":12345678901234567890 }]}'
  p:openai_chat { provider = "openai", body = '{"model":"gpt-5","messages":[' .. rest }
  t.contains(p.upstream.last.body, "British English.")
  t.contains(p.upstream.last.body, "," .. rest)
end)
