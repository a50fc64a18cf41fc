-- The document is the one of the test; what is left of it afterwards is compared byte by byte.
equal(body:get("model"), "a")
equal(body:get("messages[1].content"), "hi")
equal(body:get("messages[-1].role"), "x")
equal(body:get('["odd.key"].b'), 1)
equal(body:get("id"), "9007199254740993")
equal(body:get("n"), 1.5)
equal(body:get("none"), null)
equal(body:get("nothing"), nil)
equal(body:get("nothing.below", "default"), "default")
equal(body:get("messages[3]"), nil)
equal(body:raw("id"), "9007199254740993")
equal(body:raw("n"), "1.50")
equal(body:kind("messages"), "array")
equal(body:kind("none"), "null")
equal(body:kind(), "object")
equal(body:kind("nothing"), nil)
equal(body:len("messages"), 2)
equal(body:len("model"), nil)
equal(table.concat(body:keys('["odd.key"]'), " "), "b a")
equal(body:keys()[1], "model")
equal(body:keys("messages"), nil)
equal(body:table().messages[2].role, "x")
equal(body:size(), #body:text())

local seen = ""
for index, message in body:each("messages") do
  seen = seen .. index .. message.role
end
for key, value in body:each('["odd.key"]') do
  seen = seen .. key .. value
end
equal(seen, "1user2xb1a2")

body:set("model", "b")
body:set("messages[1].content", "ho")
body:append("messages[2].content", { list = body:get("messages[2].content") })
body:set_raw("n", "1e2")
equal(body:get("n"), 100)
equal(body:delete("none"), true)
equal(body:delete("none"), false)

raises("bad argument #1 to `body:get`: expected string, got nil", body.get, body)
raises("is not a path", body.get, body, "messages[0]")
raises("is not a path", body.get, body, "a..b")
raises("use `body:delete`, or `ccproxy.null`", body.set, body, "model", nil)
raises("nan", function()
  local ok, err = pcall(body.set, body, "model", 0 / 0)
  error(string.lower(tostring(err)))
end)
raises("does not exist; set it first", body.set, body, "x.y", 1)
raises("there are 2 items", body.set, body, "messages[9]", 1)
raises("`model` is a string", body.append, body, "model", 1)
raises("not valid JSON", body.set_raw, body, "model", "{")
raises("larger than", body.set, body, "model", ("x"):rep(2000000))
raises("cannot be deleted", body.delete, body, "")
assert(not pcall(body.get, "not a body", "model"))
for _, name in { "get", "set", "set_raw", "append", "delete", "len", "keys", "each", "kind", "raw" } do
  raises("is not a path", body[name], body, "a..b", "1")
  raises("expected string, got 5", body[name], body, 5, "1")
  assert(not pcall(body[name], {}, "model", "1"), name)
end
for _, name in { "text", "table", "size" } do
  assert(not pcall(body[name], {}), name)
end
for _ in body:each("model") do
  error("text has no items")
end

raises('a body has no field `model`: read it with `body:get("model")`', function()
  return body.model
end)
equal(body.get(body, "model"), body:get("model"))

-- Made-up paths do not pile up.
for number = 1, 1000 do
  equal(body:get("k" .. number), nil)
end
