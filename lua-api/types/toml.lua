---@meta ccproxy.toml

--- TOML text and plain data.
---@class ccproxy.toml
ccproxy.toml = {}

--- Writes a table with named keys. Raises on what TOML cannot spell, such as null.
--- ```lua
--- ccproxy.toml.encode({ tool = "Bash", allow = true }) -- => 'allow = true\ntool = "Bash"\n'
--- ```
---@param value table
---@return string
function ccproxy.toml.encode(value) end

--- Reads TOML text. Dates are given as text.
--- ```lua
--- local rules, err = ccproxy.toml.decode("[[rule]]\ntool = 'Bash'\n")
--- rules.rule[1].tool -- => "Bash"
--- ```
---@param text string
---@return table? value
---@return ccproxy.Error? err With the line.
function ccproxy.toml.decode(text) end
