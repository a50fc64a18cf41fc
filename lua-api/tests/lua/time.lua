local time = ccproxy.time

equal(time.iso(0), "1970-01-01T00:00:00.000Z")
equal(time.iso(1785934496.789), "2026-08-05T12:54:56.789Z")
equal(time.parse("2026-08-05T12:54:56.789Z"), 1785934496.789)
equal(time.parse("2026-08-05T14:54:56+02:00"), 1785934496)
equal(time.parse("Wed, 05 Aug 2026 12:54:56 GMT"), 1785934496)
local value, err = time.parse("yesterday")
equal(value, nil)
equal(err.type, "time")

assert(time.now() > 1700000000)
equal(time.parse(time.iso(12345)), 12345)

local before = time.monotonic()
time.sleep(0.001)
time.sleep("1ms")
assert(time.monotonic() - before >= 0.002)

raises("expected number, got string", time.iso, "x")
raises("outside the years", time.iso, 1e300)
raises("expected number, got NaN", time.iso, 0 / 0)
raises("expected seconds or text", time.sleep, "soon")
raises("expected seconds or text", time.sleep, -1)
