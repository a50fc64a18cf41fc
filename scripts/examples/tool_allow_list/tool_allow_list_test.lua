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

test("a choice names none that was taken out", function(t)
  local p = t.proxy { config = { allow = { "Read" } } }
  local function choice(ask, tools, chosen)
    p[ask](
      p,
      { tools = tools, tool_choice = chosen, provider = ask == "anthropic" and "claude_api" or "openai" }
    )
    t.eq(#p.upstream.last.json.tools, 1)
    return p.upstream.last.json.tool_choice
  end
  t.eq(choice("anthropic", CLAUDE, { type = "tool", name = "Bash" }), nil)
  local kept = { type = "tool", name = "Read" }
  t.eq(choice("anthropic", CLAUDE, kept), kept)
  t.eq(choice("anthropic", CLAUDE, { type = "any" }), { type = "any" })

  t.eq(choice("openai_chat", OPENAI, { type = "function", ["function"] = { name = "Bash" } }), nil)
  kept = { type = "function", ["function"] = { name = "Read" } }
  t.eq(choice("openai_chat", OPENAI, kept), kept)
  t.eq(choice("openai_chat", OPENAI, "required"), "required")
  local function allowed(tools)
    return { type = "allowed_tools", allowed_tools = { mode = "auto", tools = tools } }
  end
  t.eq(choice("openai_chat", OPENAI, allowed(OPENAI)), allowed { OPENAI[1] })
  t.eq(choice("openai_chat", OPENAI, allowed { OPENAI[2] }), nil)

  local flat =
    { { type = "function", name = "Read" }, { type = "function", name = "Bash" }, { type = "web_search" } }
  t.eq(choice("openai_responses", flat, flat[2]), nil)
  t.eq(choice("openai_responses", flat, flat[1]), flat[1])
  t.eq(choice("openai_responses", flat, { type = "web_search" }), nil)
  t.eq(
    choice("openai_responses", flat, { type = "allowed_tools", mode = "auto", tools = flat }).tools,
    { flat[1] }
  )
end)

test("no tool gets by under another spelling", function(t)
  local p = t.proxy { config = { allow = { "Read" } } }
  local custom = { type = "custom", custom = { name = "Bash" } }
  local double = { type = "function", name = "Read", ["function"] = { name = "Bash" } }
  p:openai_chat { provider = "openai", tools = { custom, double }, parallel_tool_calls = false }
  t.eq(p.upstream.last.json.tools, nil)
  t.eq(p.upstream.last.json.parallel_tool_calls, nil)
  local functions = { { name = "Read" }, { name = "Bash" } }
  p:openai_chat { provider = "openai", functions = functions, function_call = { name = "Bash" } }
  t.eq(p.upstream.last.json.functions, { { name = "Read" } })
  t.eq(p.upstream.last.json.function_call, nil)
end)
