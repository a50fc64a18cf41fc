local kv = ccproxy.kv

equal(kv.get("k"), nil)
equal(kv.set("k", { list = {}, deep = { 1, "x", ccproxy.null } }), true)
equal(ccproxy.json.encode(kv.get("k")), '{"deep":[1,"x",null],"list":{}}')
equal(kv.set("k", false), true)
equal(kv.get("k"), false)
equal(kv.delete("k"), true)
equal(kv.delete("k"), false)

equal(kv.add("a", 1), true)
equal(kv.add("a", 2), false)
equal(kv.get("a"), 1)

equal(kv.incr("n"), 1)
equal(kv.incr("n", 41), 42)
equal(kv.incr("n", -2, { ttl = 60 }), 40)
equal(kv.ttl("n"), math.huge)
equal(kv.incr("w", 1, { ttl = "1m" }), 1)
assert(kv.ttl("w") > 59 and kv.ttl("w") <= 60)
equal(kv.incr("big", 2 ^ 53), 2 ^ 53)
equal(kv.incr("big", 1), "9007199254740993")
kv.set("text", "x")
local sum, err = kv.incr("text")
equal(sum, nil)
assert(err.type == "kv" and err.message:find("not a whole number", 1, true))

equal(kv.cas("c", nil, 1), true)
equal(kv.cas("c", nil, 2), false)
equal(kv.cas("c", 1, { b = 1, a = 2 }), true)
equal(kv.cas("c", { a = 2, b = 1 }, "done"), true)
equal(kv.get("c"), "done")

equal(
  kv.update("u", function(old)
    return (old or 0) + 5
  end),
  5
)
equal(
  kv.update("u", function(old)
    return old * 2
  end, { ttl = 9 }),
  10
)
assert(kv.ttl("u") <= 9)
equal(kv.update("u", function() end), nil)
equal(kv.get("u"), 10)
raises("inside", kv.update, "u", function()
  error("inside")
end)

equal(kv.set("gone", 1, { ttl = 0 }), true)
equal(kv.get("gone"), nil)
equal(kv.ttl("gone"), nil)
equal(kv.expire("a", "1h"), true)
assert(kv.ttl("a") <= 3600)
equal(kv.expire("a"), true)
equal(kv.ttl("a"), math.huge)
equal(kv.expire("nothing", 1), false)

kv.set("list:b", 1)
kv.set("list:a", 1)
equal(ccproxy.json.encode(kv.keys("list:")), '["list:a","list:b"]')
equal(#kv.keys("list:", { limit = 1 }), 1)
assert(#kv.keys() > 5)

local full, refused = kv.set("", 1)
equal(full, nil)
equal(refused.type, "kv")
equal(kv.set(("k"):rep(600), 1), nil)

raises("expected string, got nil", kv.get)
raises("use `ccproxy.kv.delete`", kv.set, "k", nil)
raises("a function is not plain data", kv.set, "k", print)
raises("larger than", kv.set, "k", ("x"):rep(2 * 1024 * 1024))
raises("unknown option `tll`; there are `ttl`", kv.set, "k", 1, { tll = 1 })
raises("option `ttl`: expected seconds or text", kv.incr, "k", 1, { ttl = "soon" })
raises("expected whole number, got 1.5", kv.incr, "k", 1.5)
for _, name in { "set", "add", "delete", "incr", "cas", "update", "expire", "ttl" } do
  raises("bad argument #1 to `ccproxy.kv." .. name .. "`: expected string, got table", kv[name], {})
end
raises("text is not UTF-8", kv.get, "\255")
raises("use `ccproxy.kv.delete`", kv.add, "k", nil)
raises("use `ccproxy.kv.delete`", kv.cas, "k", 1, nil)
raises("bad argument #2 to `ccproxy.kv.cas`: a function is not plain data", kv.cas, "k", print, 1)
raises("bad argument #2 to `ccproxy.kv.update`: expected function, got nil", kv.update, "k")
raises("a function is not plain data", kv.update, "u", function()
  return print
end)
raises("expected seconds or text", kv.expire, "k", "soon")
raises("expected string, got 5", kv.keys, 5)
raises("whole number of at least 0", kv.keys, "", { limit = -1 })
