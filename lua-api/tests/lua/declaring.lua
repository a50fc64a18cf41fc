-- While the manifest is read, what touches nothing outside works, and the rest says when it will.
assert(ccproxy.schema.string { default = "x" })
equal(ccproxy.json.encode({}), "{}")
assert(ccproxy.re.compile("x"):is("x"))
assert(ccproxy.time.now() > 0)
equal(ccproxy.has("kv"), true)

local late = "is not available while the manifest is read; call it in `setup` or in a handler"
raises(late, ccproxy.log.info, "x")
raises(late, ccproxy.kv.get, "x")
raises(late, ccproxy.events.emit, "x")
raises(late, ccproxy.services.call, "x", "y")
raises(late, ccproxy.services.has, "x")
raises(late, ccproxy.wait, "x", 1)
raises(late, ccproxy.notify, "x", 1)
raises(late, ccproxy.time.sleep, 1)
raises(late, ccproxy.http.get, "http://example.com")
