-- Tests begin on Thursday, 2026-01-01, at midnight UTC.

test("it is open in its hours only", function(t)
  local p = t.proxy()
  t.eq(p:anthropic({}).status, 403)
  t.advance("9h")
  t.eq(p:anthropic({}).status, 200)
  t.advance("9h")
  local res = p:openai_chat {}
  t.eq(res.status, 403)
  t.contains(res.body, "business hours")
end)

test("it is closed on other days", function(t)
  local p = t.proxy { config = { days = { "sat" }, from = 0, to = 24 } }
  t.eq(p:anthropic({}).status, 403)
  t.advance("48h")
  t.eq(p:anthropic({}).status, 200)
end)
