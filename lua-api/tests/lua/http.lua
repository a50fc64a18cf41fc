-- `base` is a server that the manifest names, `other` one that it does not, `port` the port of the first.
local http = ccproxy.http

local res = assert(http.get(base .. "/json"))
equal(res.status, 200)
equal(res.headers["x-a"], "1, 2")
equal(res.body, '{"list":[]}')
equal(ccproxy.json.encode(res.json()), '{"list":[]}')
equal(ccproxy.json.encode(res:json()), '{"list":[]}')

res = assert(http.get(base .. "/nothing"))
equal(res.status, 404)
local value, err = res.json()
equal(value, nil)
equal(err.type, "json")

res = assert(http.post(base .. "/echo", { json = { a = 1 }, headers = { ["X-B"] = 2 } }))
assert(res.body:find("POST /echo HTTP/1.1", 1, true))
assert(res.body:find("content-type: application/json", 1, true))
assert(res.body:find("x-b: 2", 1, true))
assert(res.body:find('\r\n\r\n{"a":1}', 1, true))
assert(res.body:find("user-agent: ccproxy/", 1, true))
res = assert(http.request { method = "PUT", url = base .. "/echo", body = "raw" })
assert(res.body:find("^PUT .*\r\n\r\nraw$"))

-- Bounded in bytes and in time.
value, err = http.get(base .. "/big", { max_bytes = 1000 })
equal(value, nil)
equal(err.type, "too_large")
equal(#http.get(base .. "/big").body, 100000)
value, err = http.get(base .. "/silent", { timeout = "20ms" })
equal(err.type, "timeout")
equal(err.status, 504)

-- Redirects stay within the origin, and end.
equal(http.get(base .. "/here").status, 200)
equal(http.get(base .. "/loop").status, 302)
equal(http.get(base .. "/to/" .. other:gsub("http://", "")).status, 302)

-- Only what the manifest names, however it is spelt.
for _, url in
  {
    other .. "/json",
    "http://localhost:" .. port .. "/json",
    "http://[::ffff:127.0.0.1]:" .. port .. "/json",
    "http://169.254.169.254/latest",
    "http://127.0.0.1/",
    "http://user:pass@127.0.0.1:" .. port .. "/json",
    "https://example.com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:" .. port,
    "not a url",
    "",
  }
do
  value, err = http.get(url)
  equal(value, nil)
  equal(err.type, "denied")
  equal(err.status, 403)
end
-- Another spelling of the very address that is named is that address.
equal(http.get("http://2130706433:" .. port .. "/json").status, 200)

raises("bad argument #1 to `ccproxy.http.get`: expected string, got nil", http.get)
raises("option `url`: expected string", http.request, {})
raises("unknown option `bdy`", http.post, base, { bdy = "x" })
raises("`body` or `json`, not both", http.post, base, { body = "x", json = {} })
raises("`content-length` cannot be set", http.get, base, { headers = { ["content-length"] = "0" } })
raises("`Host` cannot be set", http.get, base, { headers = { Host = "evil" } })
raises("the value of `x` cannot be sent", http.get, base, { headers = { x = "a\r\nb: c" } })
raises("not a method", http.request, { url = base, method = "GET /" })
raises("a function is not plain data", http.post, base, { json = print })
raises("option `timeout`", http.get, base, { timeout = "soon" })
