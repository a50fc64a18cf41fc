local CLAUDE = {
  { name = "Read", input_schema = { type = "object" } },
  { name = "Bash", input_schema = { type = "object" } },
}
local OPENAI = {
  { type = "function", ["function"] = { name = "Read" } },
  { type = "function", ["function"] = { name = "Bash" } },
}

test("only what is allowed reaches the model", function(t)
  local p = t.proxy { config = { allow = { "Rea*" } } }
  p:anthropic { tools = CLAUDE }
  t.eq(#p.upstream.last.json.tools, 1)
  t.eq(p.upstream.last.json.tools[1].name, "Read")
  p:openai_chat { tools = OPENAI }
  t.eq(#p.upstream.last.json.tools, 1)
  t.eq(p.upstream.last.json.tools[1]["function"].name, "Read")
end)

test("without any left there is no choice of tools", function(t)
  local p = t.proxy { config = { allow = { "none" } } }
  p:anthropic { tools = CLAUDE, tool_choice = { type = "any" } }
  t.eq(p.upstream.last.json.tools, nil)
  t.eq(p.upstream.last.json.tool_choice, nil)
end)

test("it may refuse instead", function(t)
  local p = t.proxy { config = { allow = { "Read" }, refuse = true } }
  local res = p:anthropic { tools = CLAUDE }
  t.eq(res.status, 403)
  t.contains(res.body, "Bash")
  t.eq(p.upstream.count, 0)
end)
