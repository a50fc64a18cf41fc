local err = ccproxy.error(429, "rate_limit_error", "too many requests", { ["Retry-After"] = 60 })

equal(err.status, 429)
equal(err.type, "rate_limit_error")
equal(err.message, "too many requests")
equal(err.headers["retry-after"], "60")
equal(tostring(err), "429 rate_limit_error: too many requests")
raises("nothing", function()
  return err.nothing
end)

-- It survives a catch inside the script.
local ok, caught = pcall(error, err)
assert(not ok and caught == err and caught.status == 429)

raises("expected whole number, got nil", ccproxy.error)
raises("a status from 400 to 599", ccproxy.error, 200, "x", "y")
raises("bad argument #2 to `ccproxy.error`: expected string, got nil", ccproxy.error, 400)
raises("expected string, got table", ccproxy.error, 400, "x", {})
raises("cannot be sent", ccproxy.error, 400, "x", "y", { a = "b\r\nc: d" })
raises("cannot be set", ccproxy.error, 400, "x", "y", { ["content-length"] = "1" })
raises("cannot be set", ccproxy.error, 400, "x", "y", { ["a b"] = "1" })
raises("values text or numbers", ccproxy.error, 400, "x", "y", { a = {} })
raises("longer than 4096", ccproxy.error, 400, "x", ("y"):rep(5000))
assert(not pcall(function()
  err.status = 200
end))

-- Constants.
equal(type(ccproxy.version), "string")
equal(tostring(ccproxy.DROP), "ccproxy.DROP")
assert(ccproxy.null ~= nil and ccproxy.null ~= ccproxy.DROP)
equal(ccproxy.has("json"), true)
equal(ccproxy.has("telepathy"), false)
raises("bad argument #1 to `ccproxy.has`: expected string, got nil", ccproxy.has)
