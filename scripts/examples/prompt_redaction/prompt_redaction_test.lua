local PROMPT = "Write to ada@example.com about 4111 1111 1111 1111, then to ada@example.com again"

test("the provider sees marks, the client its own words", function(t)
  local p = t.proxy()
  p.upstream:reply { say = "Mail sent to [EMAIL_1], card [CARD_2], not [EMAIL_9]" }
  local res = p:anthropic { prompt = PROMPT }
  t.contains(p.upstream.last.body, "Write to [EMAIL_1] about [CARD_2], then to [EMAIL_1] again")
  t.lacks(p.upstream.last.body, "ada@example.com")
  t.eq(res.text, "Mail sent to ada@example.com, card 4111 1111 1111 1111, not [EMAIL_9]")
end)

test("streams are restored wherever they are cut", function(t)
  local p = t.proxy()
  for _, ask in { "anthropic", "openai_chat" } do
    p.upstream:reply { say = { "To [EMA", "IL_1", "] or ", "[x]", " [EMAIL" } }
    local res = p[ask](p, { prompt = PROMPT, stream = true })
    t.eq(res.text, "To ada@example.com or [x] [EMAIL", ask)
  end
end)

test("a prompt without any goes byte for byte", function(t)
  local p = t.proxy()
  local body = '{ "model":"claude-x","max_tokens":1,"messages":[{"role":"user","content":"hi"}] }'
  p:anthropic { body = body }
  t.eq(p.upstream.last.body, body)
end)
