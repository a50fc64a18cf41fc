---@meta ccproxy.services

--- Functions of other plugins. Only plain data crosses.
---@class ccproxy.services
ccproxy.services = {}

--- Calls a function of a service and waits for its answer.
---@param service string
---@param func string
---@param ... any
---@return any answer
---@return ccproxy.Error? err
function ccproxy.services.call(service, func, ...) end

--- Whether a plugin provides the service now.
---@param service string
---@return boolean
function ccproxy.services.has(service) end
