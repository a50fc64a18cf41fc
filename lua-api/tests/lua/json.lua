local json = ccproxy.json

-- Arrays stay arrays, objects stay objects, also when empty.
for _, text in
  {
    "[]",
    "{}",
    "null",
    "true",
    '"x"',
    "[[],{}]",
    '{"a":[],"b":{}}',
    "[null,1]",
    "-1.5",
    "9007199254740992",
    '{"1":"text key"}',
  }
do
  equal(json.encode(json.decode(text)), text)
end
equal(json.encode({}), "{}")
equal(json.encode(json.array()), "[]")
equal(json.encode(json.array({})), "[]")
equal(json.encode({ 1, 2, 3 }), "[1,2,3]")
equal(json.encode(json.object({ [200] = 1, a = 2 })), '{"200":1,"a":2}')

-- Keys are sorted, so equal values give equal text.
equal(json.encode({ b = 1, a = 2, c = { z = 1, y = 2 } }), '{"a":2,"b":1,"c":{"y":2,"z":1}}')
equal(json.encode({ a = { 1 }, b = {} }, { pretty = true }), '{\n  "a": [\n    1\n  ],\n  "b": {}\n}')

-- Null is a value of its own.
equal(json.decode("null"), ccproxy.null)
equal(json.null, ccproxy.null)
equal(json.decode('{"a":null}').a, ccproxy.null)
equal(json.encode({ a = ccproxy.null }), '{"a":null}')

-- Numbers that a double cannot hold arrive as their digits.
equal(json.decode("9007199254740993"), "9007199254740993")
equal(json.decode("-9007199254740993"), "-9007199254740993")
equal(json.decode("18446744073709551616"), "18446744073709551616")
equal(json.decode("1e400"), "1e400")
equal(json.decode("1e3"), 1000)
equal(json.decode("0.1"), 0.1)
equal(1 / json.decode("-0"), -math.huge)

-- Strings: escapes, pairs, and half a pair, which UTF-8 cannot hold.
equal(json.decode([["a\n\t\"\\\/\u00e9\ud83d\ude00"]]), 'a\n\t"\\/é😀')
equal(json.decode([["\ud83dx"]]), "\239\191\189x")
equal(json.encode("a\0b\127"), '"a\\u0000b\127"')

-- What is not JSON is an answer, not a raise.
for _, text in { "", "{", "[1,]", "{'a':1}", "nul", "01", '"\n"', "[1] 2", "\255", '{"a" 1}', "NaN" } do
  local value, err = json.decode(text)
  equal(value, nil)
  equal(err.type, "json")
  equal(err.status, 400)
end
local _, err = json.decode("[1,\n2,]")
assert(err.message:find("line 2", 1, true), err.message)
local _, deep = json.decode(("["):rep(5000) .. ("]"):rep(5000))
assert(deep.message:find("deeper than 128", 1, true), deep.message)
assert(json.decode(("["):rep(128) .. ("]"):rep(128)))

-- What JSON cannot spell is refused, with its place.
raises("at `a[2].b`: NaN", json.encode, { a = { 1, { b = 0 / 0 } } })
raises("inf has no spelling", json.encode, math.huge)
raises("neither array nor object", json.encode, { 1, x = 2 })
raises("with holes", json.encode, { [3] = 1 })
raises("with holes", json.encode, json.array({ 1, nil, 3 }))
raises("a function is not plain data", json.encode, { f = print })
raises("not UTF-8", json.encode, "\255")
raises("cannot be a key", json.encode, { [true] = 1 })
local cycle = {}
cycle.self = cycle
raises("holds itself", json.encode, cycle)
local bush = { 1 }
for _ = 1, 60 do
  bush = { bush, bush }
end
raises("more than 100000 tables", json.encode, bush)
assert(not json.decode("[" .. ("[],"):rep(100001) .. "1]"))
raises("larger than", json.encode, ("x"):rep(9 * 1024 * 1024))

-- Wrong arguments raise.
raises("bad argument #1 to `ccproxy.json.decode`: expected string, got table", json.decode, {})
raises("bad argument #2 to `ccproxy.json.encode`: unknown option `prety`", json.encode, 1, { prety = true })
raises("has a metatable", json.array, setmetatable({}, { __index = {} }))

-- A metatable of the script's own is not consulted.
equal(json.encode(setmetatable({ 1 }, { __index = error, __len = error, __iter = error })), "[1]")

-- An error object reads as its fields.
equal(json.encode({ err = ccproxy.error(400, "a", "b") }), '{"err":{"status":400,"type":"a","message":"b"}}')
raises("has a metatable", json.object, setmetatable({}, { __index = {} }))
raises("bad argument #1 to `ccproxy.json.object`: expected table, got 1", json.object, 1)
