-- `ccproxy plugins test` runs this: a whole proxy, without a network. Hooks have heard of an exchange when its answer is there.

test("counts tokens, over a save too", function(t)
  local p = t.proxy()
  p:anthropic { model = "claude-haiku-4-5" }
  p:anthropic { model = "claude-haiku-4-5", stream = true }
  t.has(p:health(), { status = "pass", details = { ["claude-haiku-4-5"] = 10 } })
  p:reload()
  t.has(p:health(), { details = { ["claude-haiku-4-5"] = 10 } })
end)

test("warns about failures", function(t)
  local p = t.proxy()
  p.upstream:reply { refuse = "the cable is out" }
  p:anthropic {}
  t.contains(p.logs, { level = "warn", message = "an exchange failed" })
end)
