---@meta ccproxy.error

--- A refusal or a failure. Returned or raised (`error(err)`) by a handler, the client gets it in its own
--- format. Host functions give it as a second result; then `type` says what failed (`timeout`, `kv`, ...).
---@class ccproxy.Error
---@field status integer 400 to 599
---@field type string
---@field message string
---@field headers table<string, string>

--- Makes an error.
--- ```lua
--- local err = ccproxy.error(429, "rate_limit_error", "too many requests", { ["retry-after"] = 60 })
--- err.status -- => 429
--- return err
--- ```
---@param status integer 400 to 599
---@param type string Such as `rate_limit_error`.
---@param message string One sentence; the client may see it.
---@param headers? table<string, string|number> Such as `retry-after`.
---@return ccproxy.Error
function ccproxy.error(status, type, message, headers) end
