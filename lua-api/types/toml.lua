---@meta ccproxy.toml

--- TOML text and plain data.
---@class ccproxy.toml
ccproxy.toml = {}

--- Writes a table with named keys. Raises on what TOML cannot spell, such as null.
---@param value table
---@return string
function ccproxy.toml.encode(value) end

--- Reads TOML text. Dates are given as text.
---@param text string
---@return table? value
---@return ccproxy.Error? err With the line.
function ccproxy.toml.decode(text) end
