---@meta luau

--- What Luau, the language of the scripts, has beyond the Lua that editors know.

---@class tablelib
table = {}

--- The first place of a value in a list.
---@param list any[]
---@param value any
---@param init? integer
---@return integer? place
function table.find(list, value, init) end

--- A list of so many values.
---@param count integer
---@param value? any
---@return any[]
function table.create(count, value) end

--- Empties a table.
---@param list table
function table.clear(list) end

--- A copy of a table, not of what is in it.
---@generic T: table
---@param list T
---@return T
function table.clone(list) end

--- Makes a table read-only.
---@generic T: table
---@param list T
---@return T
function table.freeze(list) end

---@param list table
---@return boolean
function table.isfrozen(list) end

---@class stringlib
string = {}

--- The pieces between separators; `,` when there is none given.
---@param text string
---@param separator? string
---@return string[]
function string.split(text, separator) end

---@class mathlib
math = {}

---@param number number
---@param min number
---@param max number
---@return number
function math.clamp(number, min, max) end

--- The nearest whole number.
---@param number number
---@return number
function math.round(number) end

--- -1, 0 or 1.
---@param number number
---@return number
function math.sign(number) end
