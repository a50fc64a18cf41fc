test("the prompt decides", function(t)
  local p = t.proxy()
  local function asked(question)
    question.model = question.model or "auto"
    question.provider = "claude_api"
    p:anthropic(question)
    return p.upstream.last.json.model
  end
  t.eq(asked { prompt = "hi" }, "claude-haiku-4-5")
  t.eq(asked { prompt = string.rep("word ", 1000) }, "claude-opus-4-1")
  t.eq(
    asked { prompt = "hi", tools = { { name = "ls", input_schema = { type = "object" } } } },
    "claude-opus-4-1"
  )
  t.eq(asked { prompt = "hi", model = "claude-sonnet-4-5" }, "claude-sonnet-4-5")
end)
