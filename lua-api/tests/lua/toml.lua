local toml = ccproxy.toml

local value = toml.decode("a = 1\nday = 2026-01-02\n[[rules]]\ntool = 'x'\n[[rules]]\ntool = \"y\\n\"\n")
equal(value.a, 1)
equal(value.day, "2026-01-02")
equal(#value.rules, 2)
equal(value.rules[2].tool, "y\n")
equal(toml.decode("n = inf").n, "inf")
equal(toml.decode("big = 9007199254740993").big, "9007199254740993")
equal(next(toml.decode("")), nil)

equal(toml.encode({ tool = 'a"b' }), "tool = 'a\"b'\n")
equal(toml.decode(toml.encode({ t = "x\n'\"\\\1" })).t, "x\n'\"\\\1")
equal(toml.encode({ rules = { { n = 1 }, { n = 2 } } }), "[[rules]]\nn = 1\n\n[[rules]]\nn = 2\n")

for _, text in { "a", "a = ", "a = 1\na = 2", "[x", "\255" } do
  local read, err = toml.decode(text)
  equal(read, nil)
  equal(err.type, "toml")
end
equal(string.match(select(2, toml.decode("a = 1\nb = \n")).message, "^line %d") ~= nil, true)
raises("larger than", function()
  local _, err = toml.decode(("x"):rep(9 * 1024 * 1024))
  error(err.message)
end)
raises("expected string", toml.decode, {})
raises("TOML has no null", toml.encode, { a = { ccproxy.null } })
raises("a table with named keys", toml.encode, { 1, 2 })
raises("a function is not plain data", toml.encode, { f = print })
raises("expected table", toml.encode, "x")
