---@meta ccproxy.time

--- Clocks and waiting.
---@class ccproxy.time
ccproxy.time = {}

--- Seconds since 1970.
--- ```lua
--- ccproxy.kv.set("seen", ccproxy.time.now())
--- ```
---@return number
function ccproxy.time.now() end

--- Seconds of a clock that never goes back; only differences mean something.
--- ```lua
--- local began = ccproxy.time.monotonic()
--- ccproxy.log.debug("it took", { seconds = ccproxy.time.monotonic() - began })
--- ```
---@return number
function ccproxy.time.monotonic() end

--- A time as text: `2026-08-05T12:34:56.789Z`.
--- ```lua
--- ccproxy.time.iso(0) -- => "1970-01-01T00:00:00.000Z"
--- ```
---@param time? number Seconds since 1970; now when absent.
---@return string
function ccproxy.time.iso(time) end

--- Reads a date of RFC 3339 or of an HTTP header.
--- ```lua
--- ccproxy.time.parse("1970-01-01T00:01:00Z") -- => 60
--- ```
---@param text string
---@return number? seconds Since 1970.
---@return ccproxy.Error? err
function ccproxy.time.parse(text) end

--- Waits; meanwhile other handlers of the plugin run.
--- ```lua
--- ccproxy.time.sleep("10ms")
--- ```
---@param duration ccproxy.Duration
function ccproxy.time.sleep(duration) end
