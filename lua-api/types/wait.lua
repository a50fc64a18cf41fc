---@meta ccproxy.wait

--- Waits until another handler of this plugin notifies `key`. Every handler that waits is woken.
--- ```lua
--- local answer, err = ccproxy.wait("approval:42", "5ms")
--- err.type -- => "timeout"
--- ```
---@param key string
---@param timeout ccproxy.Duration
---@return any value What was notified; never nil then.
---@return ccproxy.Error? err Of type `timeout` when nobody did.
function ccproxy.wait(key, timeout) end

--- Wakes the handlers that wait for `key`. When there is none, the value is kept for the next one.
--- ```lua
--- ccproxy.notify("approval:42", { allow = true }, { keep = "1m" }) -- => 0
--- ```
---@param key string
---@param value? ccproxy.Plain True when absent.
---@param options? { keep?: ccproxy.Duration } 10 seconds when absent, at most an hour.
---@return integer? woken
---@return ccproxy.Error? err
function ccproxy.notify(key, value, options) end
