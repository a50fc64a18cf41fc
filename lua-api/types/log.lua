---@meta ccproxy.log

--- Lines in the log, with the plugin's name. At a bounded rate; what is too much is dropped and counted.
---@class ccproxy.log
ccproxy.log = {}

--- A line for whoever looks for a fault.
--- ```lua
--- ccproxy.log.debug("looked at a request", { key = "alice" })
--- ```
---@param message string
---@param fields? table Plain data.
function ccproxy.log.debug(message, fields) end

--- A line worth knowing.
--- ```lua
--- ccproxy.log.info("a budget was set", { key = "alice" })
--- ```
---@param message string
---@param fields? table Plain data.
function ccproxy.log.info(message, fields) end

--- Something that should be looked at.
--- ```lua
--- ccproxy.log.warn("a budget is nearly spent", { key = "alice" })
--- ```
---@param message string
---@param fields? table Plain data.
function ccproxy.log.warn(message, fields) end

--- Something that failed.
--- ```lua
--- ccproxy.log.error("the budget file is broken", { key = "alice" })
--- ```
---@param message string
---@param fields? table Plain data.
function ccproxy.log.error(message, fields) end
