---@meta ccproxy.body

--- A body as a document, read and edited by path: `messages[1].content`, `tools[-1]["odd key"]`. Indices
--- count from 1, negative ones from the end. What is not touched stays byte for byte. A number that a
--- double cannot hold exactly reads as text; `raw` and `set_raw` keep it.
---@class ccproxy.Body
local Body = {}

--- The value at a path, or `default` when nothing is there. JSON's null is `ccproxy.null`.
--- ```lua
--- req.body:get("model") -- => "m1"
--- req.body:get("temperature", 1) -- => 1
--- ```
---@param path string
---@param default? any
---@return any
function Body:get(path, default) end

--- Puts a value at a path: replaces, adds a last key, or appends at the index past the end. Raises when
--- its container is not there, or the body is not JSON.
--- ```lua
--- req.body:set("max_tokens", 20)
--- req.body:set("metadata", { team = "blue" })
--- req.body:get("metadata.team") -- => "blue"
--- ```
---@param path string
---@param value ccproxy.Plain
function Body:set(path, value) end

--- Puts JSON text at a path, as it is.
--- ```lua
--- req.body:set_raw("seed", "12345678901234567890")
--- req.body:raw("seed") -- => "12345678901234567890"
--- ```
---@param path string
---@param json string
function Body:set_raw(path, json) end

--- Adds a value at the end of the array at a path.
--- ```lua
--- req.body:append("messages", { role = "user", content = "hello" })
--- req.body:get("messages[-1].content") -- => "hello"
--- ```
---@param path string
---@param value ccproxy.Plain
function Body:append(path, value) end

--- Removes what is at a path. Says whether it was there.
--- ```lua
--- req.body:delete("max_tokens") -- => true
--- req.body:delete("max_tokens") -- => false
--- ```
---@param path string
---@return boolean
function Body:delete(path) end

--- Items of the array, or entries of the object, at a path.
--- ```lua
--- req.body:len("messages") -- => 0
--- ```
---@param path string
---@return integer?
function Body:len(path) end

--- The keys of the object at a path (the whole when absent), in written order.
--- ```lua
--- req.body:keys() -- => { "model", "max_tokens", "messages" }
--- ```
---@param path? string
---@return string[]?
function Body:keys(path) end

--- Walks index and item, or key and value, as they are now: `for i, message in body:each("messages") do`.
--- ```lua
--- for i, message in req.body:each("messages") do
---   ccproxy.log.debug("message " .. i, { role = message.role })
--- end
--- ```
---@param path string
---@return fun(): (integer|string)?, any
function Body:each(path) end

--- The kind of the value at a path (the whole when absent); nil when nothing is there.
--- ```lua
--- req.body:kind("messages") -- => "array"
--- req.body:kind("nowhere") -- => nil
--- ```
---@param path? string
---@return "null"|"boolean"|"number"|"string"|"array"|"object"|nil
function Body:kind(path) end

--- The JSON text of the value at a path (the whole when absent).
--- ```lua
--- req.body:raw("max_tokens") -- => "10"
--- ```
---@param path? string
---@return string?
function Body:raw(path) end

--- All bytes, whatever they are.
--- ```lua
--- #req.body:text() -- => 44
--- ```
---@return string
function Body:text() end

--- The whole as plain data: a copy, to be read. Nil when it is not JSON.
--- ```lua
--- local body = req.body:table()
--- body.model -- => "m1"
--- ```
---@return any
function Body:table() end

--- Bytes of the body.
--- ```lua
--- req.body:size() -- => 44
--- ```
---@return integer
function Body:size() end
