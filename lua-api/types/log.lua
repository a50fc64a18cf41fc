---@meta ccproxy.log

--- Lines in the log, with the plugin's name. At a bounded rate; what is too much is dropped and counted.
---@class ccproxy.log
ccproxy.log = {}

---@param message string
---@param fields? table Plain data.
function ccproxy.log.debug(message, fields) end

---@param message string
---@param fields? table Plain data.
function ccproxy.log.info(message, fields) end

---@param message string
---@param fields? table Plain data.
function ccproxy.log.warn(message, fields) end

---@param message string
---@param fields? table Plain data.
function ccproxy.log.error(message, fields) end
