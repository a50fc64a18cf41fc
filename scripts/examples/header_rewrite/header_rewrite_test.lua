test("headers are set and removed", function(t)
  local p = t.proxy { config = { set = { ["x-team"] = "team of {client}" }, remove = { "x-code-name" } } }
  p:anthropic { headers = { ["x-code-name"] = "moon", ["x-kept"] = "yes" } }
  local sent = p.upstream.last.headers
  t.eq(sent["x-team"], "team of anonymous")
  t.eq(sent["x-code-name"], nil)
  t.eq(sent["x-kept"], "yes")
end)
