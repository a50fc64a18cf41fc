local log = ccproxy.log

for _, level in { "debug", "info", "warn", "error" } do
  log[level]("a line")
  log[level]("a line\nwith \27[31m codes", { number = 1, err = ccproxy.error(400, "a", "b") })
end

-- What cannot be written is no reason to fail.
log.info("bytes \255", { nan = 0 / 0 })
log.info("large", { text = ("x"):rep(100000) })
for _ = 1, 10000 do
  log.error("flood")
end

raises("bad argument #1 to `ccproxy.log.info`: expected string, got nil", log.info)
raises("bad argument #2 to `ccproxy.log.warn`: expected table of fields or nil, got 1", log.warn, "x", 1)
for _, level in { "debug", "info", "warn", "error" } do
  raises("bad argument #1 to `ccproxy.log." .. level .. "`: expected string, got table", log[level], {})
  raises("expected table of fields or nil, got string", log[level], "x", "y")
end
