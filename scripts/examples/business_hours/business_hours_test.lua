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

test("it may be open over midnight, and the early hours belong to the day before", function(t)
  local p = t.proxy { config = { from = 22, to = 6, days = { "thu", "sun" } } }
  local function status_at(hours)
    t.advance(hours .. "h")
    return p:anthropic({}).status
  end
  t.eq(status_at(0), 403, "Thursday, 0:00: Wednesday's night")
  t.eq(status_at(12), 403, "12:00")
  t.eq(status_at(10), 200, "22:00")
  t.eq(status_at(7), 200, "Friday, 5:00: Thursday's night")
  t.eq(status_at(1), 403, "6:00")
  t.eq(status_at(16), 403, "22:00")
  t.eq(status_at(48), 200, "Sunday, 22:00")
  t.eq(status_at(7), 200, "Monday, 5:00")
end)

test("equal hours are a mistake, and said", function(t)
  t.raises(function()
    t.proxy { config = { from = 9, to = 9 } }
  end, "the same hour")
end)
