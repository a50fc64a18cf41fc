-- `ccproxy plugins test` runs this: a whole proxy, without a network.

test("logs in and out", function(t)
  local p = t.proxy()
  p.http:on("POST https://login.example.com/check", { json = { user = "ada" } })
  t.eq(p:health().status, "warn")
  t.eq(p:command("login", "k-1"), { logged_in = "ada" })
  t.eq(p.http.last.json, { key = "k-1" })
  t.eq(p:health().output, "logged in as ada")
  t.eq(p:command("logout"), { logged_out = true })
  t.eq(p:health().status, "warn")
end)

test("a refusal is told", function(t)
  local p = t.proxy()
  p.http:on("*", { status = 403 })
  t.eq(p:command("login", "wrong"), { error = "the service says no", why = 403 })
  t.has(p:command("login"), { error = "say the key: `ccproxy x @NAME@ login <key>`" })
end)
