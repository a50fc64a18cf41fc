-- Who decides: rules, a person, the time.

local function ask(p, tool, input)
  return p:call("permissions", "check", { tool = tool, input = input or {}, client = "anonymous" })
end

local RULES = {
  { action = "allow", tool = "Read" },
  { action = "deny", tool = "Bash", arguments = { command = "rm -rf" }, message = "not that" },
  { action = "allow", tool = "Bash", arguments = { command = "^ls" } },
}

test("the first rule that matches decides", function(t)
  local p = t.proxy { config = { rules = RULES, default = "deny" } }
  t.has(ask(p, "Read", { path = "a" }), { decision = "allow", input = { path = "a" } })
  t.has(ask(p, "Bash", { command = "ls; rm -rf /" }), { decision = "deny", message = "not that" })
  t.eq(ask(p, "Bash", { command = "ls" }).decision, "allow")
  t.eq(ask(p, "Write").decision, "deny")
end)

test("a person decides, and may change the arguments", function(t)
  local p = t.proxy { config = { hold = true } }
  p.upstream:reply { tool = { name = "Bash", input = { command = "ls" } } }
  local pending = p:start("anthropic")
  t.advance("1s")
  t.falsy(pending:is_done())
  local waiting = p:get("/permissions").json.permissions
  t.eq(#waiting, 1)
  t.eq(waiting[1].tool, "Bash")
  local said = p:post("/permissions/" .. waiting[1].id .. "/respond", {
    json = { decision = "allow", input = { command = "ls -l" } },
  })
  t.eq(said.status, 200)
  t.eq(pending:wait().json.content[1].input, { command = "ls -l" })
  t.eq(p:get("/permissions").json.permissions, {})
end)

test("time decides when nobody does", function(t)
  local p = t.proxy { config = { hold = true, timeout = "30s" } }
  p.upstream:reply { tool = { name = "Bash", input = { command = "ls" } } }
  local began = t.now()
  local res = p:anthropic {}
  t.near(t.now() - began, 30, 1)
  t.lacks(res.body, "tool_use")
end)

test("a stream that holds no tool call passes as it came, wherever it is cut", function(t)
  local p = t.proxy { config = { hold = true } }
  local stream = 'data: {"choices":[{"index":0,"delta":{"content":"h\u{e9}"}}]}\n\ndata: [DONE]\n\n'
  p.upstream:every_cut({ body = stream, headers = { ["content-type"] = "text/event-stream" } }, function()
    t.eq(p:openai_chat({ stream = true }).body, stream)
  end)
end)

test("answers that make no sense are refused with what would", function(t)
  local p = t.proxy()
  t.eq(p:post("/permissions/nobody/respond", { json = { decision = "allow" } }).status, 404)
  t.eq(p:get("/permissions/nobody").status, 404)
end)
