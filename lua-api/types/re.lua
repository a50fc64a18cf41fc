---@meta ccproxy.re

--- Regular expressions whose time is linear in the text. Syntax: https://docs.rs/regex/#syntax
---@class ccproxy.re
ccproxy.re = {}

--- Compiles a pattern.
---@param pattern string
---@return ccproxy.Pattern? pattern
---@return ccproxy.Error? err
function ccproxy.re.compile(pattern) end

--- The pattern that matches a text literally.
---@param text string
---@return string
function ccproxy.re.escape(text) end

--- Whether a text is what a pattern, or one of a list, says: `*` is any run of characters, as in `when`.
---@param patterns string|string[]
---@param text string
---@return boolean
function ccproxy.re.glob(patterns, text) end

--- What a table has for a text: under the text itself, else under the pattern (with `*`) that says most of it.
---@generic T
---@param map table<string, T>
---@param text string
---@return T?
function ccproxy.re.closest(map, text) end

--- Whether the pattern matches anywhere.
---@param pattern ccproxy.Pattern|string
---@param text string
---@return boolean
function ccproxy.re.is(pattern, text) end

--- First and last byte of the first match from byte `init` on.
---@param pattern ccproxy.Pattern|string
---@param text string
---@param init? integer
---@return integer? first
---@return integer? last
function ccproxy.re.find(pattern, text, init) end

--- The groups of the first match, or the match when the pattern has no groups.
---@param pattern ccproxy.Pattern|string
---@param text string
---@return string? ...
function ccproxy.re.match(pattern, text) end

--- The first match: 0 is all of it, groups by number and by name.
---@param pattern ccproxy.Pattern|string
---@param text string
---@return table<integer|string, string>?
function ccproxy.re.captures(pattern, text) end

--- Every match, or its first group when there are groups.
---@param pattern ccproxy.Pattern|string
---@param text string
---@param max? integer
---@return string[]
function ccproxy.re.all(pattern, text, max) end

--- Replaces matches by text (`$1`, `${name}`, `$$`) or by what a function makes of the groups (nil: as it
--- was). The function cannot wait.
---@param pattern ccproxy.Pattern|string
---@param text string
---@param replacement string|fun(...: string): string|number|false|nil
---@param max? integer
---@return string text
---@return integer count
function ccproxy.re.gsub(pattern, text, replacement, max) end

--- The pieces between matches.
---@param pattern ccproxy.Pattern|string
---@param text string
---@param max? integer
---@return string[]
function ccproxy.re.split(pattern, text, max) end

--- A compiled pattern, with the functions of `ccproxy.re` as methods.
---@class ccproxy.Pattern
local Pattern = {}

---@param text string
---@return boolean
function Pattern:is(text) end

---@param text string
---@param init? integer
---@return integer? first
---@return integer? last
function Pattern:find(text, init) end

---@param text string
---@return string? ...
function Pattern:match(text) end

---@param text string
---@return table<integer|string, string>?
function Pattern:captures(text) end

---@param text string
---@param max? integer
---@return string[]
function Pattern:all(text, max) end

---@param text string
---@param replacement string|fun(...: string): string|number|false|nil
---@param max? integer
---@return string text
---@return integer count
function Pattern:gsub(text, replacement, max) end

---@param text string
---@param max? integer
---@return string[]
function Pattern:split(text, max) end
