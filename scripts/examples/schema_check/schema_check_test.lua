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
