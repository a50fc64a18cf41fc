---@meta ccproxy.time

--- Clocks and waiting.
---@class ccproxy.time
ccproxy.time = {}

--- Seconds since 1970.
---@return number
function ccproxy.time.now() end

--- Seconds of a clock that never goes back; only differences mean something.
---@return number
function ccproxy.time.monotonic() end

--- `2026-08-05T12:34:56.789Z`
---@param time? number Seconds since 1970; now when absent.
---@return string
function ccproxy.time.iso(time) end

--- Reads a date of RFC 3339 or of an HTTP header.
---@param text string
---@return number? seconds Since 1970.
---@return ccproxy.Error? err
function ccproxy.time.parse(text) end

--- Waits; meanwhile other handlers of the plugin run.
---@param duration ccproxy.Duration
function ccproxy.time.sleep(duration) end
