-- `ccproxy plugins test` runs this: a whole proxy, without a network; time passes when the test says so.

test("keeps a note for a day", function(t)
  local p = t.proxy()
  t.eq(p:get("/@NAME@/shopping").status, 404)
  t.eq(p:post("/@NAME@/shopping", { json = { note = "milk" } }).status, 201)
  t.eq(p:get("/@NAME@/shopping").json, { note = "milk" })
  t.advance("1d")
  t.eq(p:get("/@NAME@/shopping").status, 404)
end)

test("says what is wrong", function(t)
  local res = t.proxy():post("/@NAME@/shopping", { json = { note = 5 } })
  t.eq(res.status, 400)
  t.has(res.error, { message = "`note` is text" })
end)

test("streams", function(t)
  local p = t.proxy()
  p.kv.set("word", "ab")
  local letters = {}
  for _, event in ipairs(p:get("/@NAME@/word/letters").events) do
    table.insert(letters, event.data)
  end
  t.eq(letters, { "a", "b" })
end)
