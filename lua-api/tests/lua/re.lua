local re = ccproxy.re

local date = re.compile([[(?P<year>\d{4})-(\d\d)]])
equal(tostring(date), [[(?P<year>\d{4})-(\d\d)]])
equal(date:is("on 2026-08 or so"), true)
equal(date:is("never"), false)
local first, last = date:find("on 2026-08")
equal(first, 4)
equal(last, 10)
equal((date:find("2026-08", 2)), nil)
local year, month = date:match("on 2026-08")
equal(year .. "/" .. month, "2026/08")
equal(date:match("never"), nil)
local caught = date:captures("on 2026-08")
equal(caught[0], "2026-08")
equal(caught.year, "2026")
equal(caught[2], "08")
equal(date:captures("never"), nil)

equal(date:gsub("2026-08 2027-09", "$2.${year}"), "08.2026 09.2027")
equal(select(2, date:gsub("2026-08 2027-09", "x", 1)), 1)
equal(
  date:gsub("2026-08 2027-09", function(y)
    return y == "2027" and "then" or nil
  end),
  "2026-08 then"
)
equal(ccproxy.json.encode(date:all("2026-08 2027-09")), '["2026","2027"]')
equal(ccproxy.json.encode(re.split([[\s*,\s*]], "a , b,c")), '["a","b","c"]')
equal(ccproxy.json.encode(re.split(",", "a,b,c", 2)), '["a","b,c"]')

-- The functions of the module take a pattern or its text.
equal(re.is("^a", "abc"), true)
equal(re.is(date, "2026-08"), true)
equal(re.match("b(c?)", "ab"), "")
equal(re.gsub("b", "abc", "$$"), "a$c")
equal(re.escape("a.b"), [[a\.b]])
equal(re.gsub("", "ab", "-"), "-a-b-")

equal(re.glob("/v1/*", "/v1/messages"), true)
equal(re.glob("*/messages", "/claude/v1/messages"), true)
equal(re.glob("/v1", "/v1/messages"), false)
equal(re.glob({ "/health*", "/x" }, "/health/live"), true)
equal(re.glob({}, "/health"), false)
raises("bad argument #2 to `ccproxy.re.glob`", re.glob, "*")
local limits = { ["*"] = 1, ["claude-*"] = 2, ["claude-*-4*"] = 3, ["claude-x"] = 4 }
equal(re.closest(limits, "claude-x"), 4)
equal(re.closest(limits, "claude-sonnet-4-6"), 3)
equal(re.closest(limits, "claude-y"), 2)
equal(re.closest(limits, "gpt"), 1)
equal(re.closest({ a = 1 }, "b"), nil)
equal(re.closest({ ["a*"] = 1, ["*b"] = 2 }, "ab"), 2)
raises("bad argument #1 to `ccproxy.re.closest`: expected table, got string", re.closest, "*", "x")
raises("bad argument #2 to `ccproxy.re.closest`: expected string, got nil", re.closest, {})
local slow = "*" .. ("a"):rep(100000) .. "b"
raises("too much to compare", re.glob, slow, ("a"):rep(1000000))
raises("too much to compare", re.closest, { [slow] = 1 }, ("a"):rep(1000000))

-- Any bytes can be searched.
equal(re.is([[(?-u)\xff]], "\255"), true)
equal(re.find("b", "\255\254b"), 3)

-- A bad pattern of the script's own text raises; a compiled one from outside is an answer.
raises("not a regular expression", re.is, "(", "x")
local pattern, err = re.compile("(")
equal(pattern, nil)
equal(err.type, "re")
equal(re.compile([[\w{500}{500}]]), nil)
assert(not pcall(re.compile, {}))

-- What makes other engines hang is linear here.
equal(re.is("^(a+)+$", ("a"):rep(5000) .. "!"), false)

for number = 1, 200 do
  assert(re.is("^" .. number .. "$", tostring(number)))
end
raises("bad argument #2 to `ccproxy.re.is`: expected string, got nil", re.is, "a")
raises("bad argument #2 to `ccproxy.re.find`: expected string, got nil", date.find, date)
raises("expected string or function, got nil", re.gsub, "a", "a")
raises("function that returns a string or nil, got table", re.gsub, "a", "a", function()
  return {}
end)
raises("longer than", re.gsub, "a", ("a"):rep(100000), ("b"):rep(1000))
assert(not pcall(date.is, "not a pattern", "x"))

-- Each function of the module, with a pattern's text and with what it does not take.
equal(ccproxy.json.encode(re.all("a(.)", "abacad")), '["b","c","d"]')
equal(#re.all("a(.)", "abacad", 2), 2)
equal(re.captures("(?P<x>b)", "abc").x, "b")
equal(re.captures("x", "abc"), nil)
equal(#re.split(",", "a,b", 0), 0)
equal(ccproxy.json.encode(re.split("", "ab")), '["","a","b",""]')
for _, name in { "is", "find", "match", "captures", "all", "gsub", "split" } do
  raises("bad argument #1 to `ccproxy.re." .. name .. "`: expected pattern, got nil", re[name], nil, "x")
  raises("bad argument #2 to `ccproxy.re." .. name .. "`: expected string, got table", re[name], "a", {})
  raises("not a regular expression", re[name], "(", "x", "y")
  raises("longer than", re[name], "a", ("x"):rep(9 * 1024 * 1024), "y")
  raises("places cannot search", re[name], "[ab]{900}c", ("ab"):rep(300000), "y")
  assert(not pcall(date[name], {}, "x"), name)
end
raises("expected whole number", re.find, "a", "a", "x")
raises("expected whole number", re.all, "a", "a", 1.5)
raises("bad argument #1 to `ccproxy.re.escape`: expected string, got nil", re.escape)
