local services = ccproxy.services

-- The test provides `echo`, whose functions return the list of their arguments.
equal(services.has("echo"), true)
equal(services.has("nothing"), false)
equal(ccproxy.json.encode(services.call("echo", "say", 1, { a = {} }, "x")), '["say",1,{"a":{}},"x"]')
equal(ccproxy.json.encode(services.call("echo", "say", nil, 2)), '["say",null,2]')

local value, err = services.call("nothing", "say")
equal(value, nil)
equal(err.status, 503)
assert(err.message:find("no plugin provides `nothing`", 1, true))
value, err = services.call("echo", "fail")
equal(value, nil)
equal(err.type, "client")

raises("expected string, got nil", services.call)
raises("bad argument #2 to `ccproxy.services.call`: expected string", services.call, "echo")
raises(
  "bad argument #3 to `ccproxy.services.call`: a function is not plain data",
  services.call,
  "echo",
  "say",
  print
)
raises("larger than", services.call, "echo", "say", ("x"):rep(5000000), ("x"):rep(5000000))
raises("bad argument #1 to `ccproxy.services.has`: expected string, got nil", services.has)
