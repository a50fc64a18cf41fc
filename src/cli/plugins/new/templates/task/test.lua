-- `ccproxy plugins test` runs this: a whole proxy, without a network; `t.advance` lets time pass, and tasks run on the way.

test("looks every five minutes", function(t)
  local p = t.proxy()
  p.http:on("https://status.example.com/", { body = "all is well" })
  t.advance("11m")
  t.eq(p.http.count, 3, "at the start, and twice since")
  t.eq(p:command("look"), { ok = true, said = "all is well" })
  t.eq(p:health().status, "pass")
end)

test("a server that is down is a warning", function(t)
  local p = t.proxy()
  p.http:on("https://status.example.com/", { refuse = "nobody is at home" })
  p:run_task("look")
  t.eq(p:health().status, "warn")
end)
