---@meta ccproxy.json

--- JSON text and plain data. Decoded arrays are marked, so that `[]` stays `[]`; an unmarked empty table
--- is `{}`. Nested at most 128 deep, with at most 100000 tables.
---@class ccproxy.json
ccproxy.json = {}

--- JSON's null; the same as `ccproxy.null`.
---@type ccproxy.Null
ccproxy.json.null = nil

--- Writes a value. Keys are sorted, so equal values give equal text. Raises on what JSON cannot spell: NaN,
--- functions, a table that is both list and map, text that is not UTF-8.
--- ```lua
--- ccproxy.json.encode({ b = 1, a = { true, ccproxy.null } }) -- => '{"a":[true,null],"b":1}'
--- ```
---@param value any
---@param options? { pretty?: boolean }
---@return string
function ccproxy.json.encode(value, options) end

--- Reads JSON text. Null is `ccproxy.null`; a number that a double cannot hold exactly is given as text.
--- ```lua
--- local value, err = ccproxy.json.decode('{"list":[],"n":1}')
--- value.n -- => 1
--- local nothing, why = ccproxy.json.decode("{")
--- nothing -- => nil
--- ```
---@param text string
---@return any value
---@return ccproxy.Error? err
function ccproxy.json.decode(text) end

--- Marks a table as an array, also when it is empty.
--- ```lua
--- ccproxy.json.encode({ tools = ccproxy.json.array() }) -- => '{"tools":[]}'
--- ```
---@generic T: table
---@param list? T
---@return T
function ccproxy.json.array(list) end

--- Marks a table as an object, also when its keys are numbers.
--- ```lua
--- ccproxy.json.encode(ccproxy.json.object({ "a" })) -- => '{"1":"a"}'
--- ```
---@generic T: table
---@param map? T
---@return T
function ccproxy.json.object(map) end
