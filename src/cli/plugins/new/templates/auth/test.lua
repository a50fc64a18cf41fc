-- `ccproxy plugins test` runs this: a whole proxy, without a network.

test("one can log in there", function(t)
  local p = t.proxy()
  local providers = p:get("/oauth/providers").json
  t.contains(ccproxy.json.encode(providers), '"@DASHED@"')
end)

test("the command tells what is set", function(t)
  local p = t.proxy { config = { client_id = "team-blue" } }
  t.contains(p:command("@DASHED@-help"), "team-blue")
end)
