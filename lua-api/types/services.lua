---@meta ccproxy.services

--- Functions of other plugins. Only plain data crosses.
---@class ccproxy.services
ccproxy.services = {}

--- Calls a function of a service and waits for its answer.
--- ```lua
--- local price, err = ccproxy.services.call("pricing", "of", "claude-opus-4")
--- ```
---@param service string
---@param func string
---@param ... any
---@return any answer
---@return ccproxy.Error? err
function ccproxy.services.call(service, func, ...) end

--- Whether a plugin provides the service now.
--- ```lua
--- ccproxy.services.has("pricing") -- => false
--- ```
---@param service string
---@return boolean
function ccproxy.services.has(service) end
