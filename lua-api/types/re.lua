---@meta ccproxy.re

--- Regular expressions whose time is linear in the text. Syntax: https://docs.rs/regex/#syntax
---@class ccproxy.re
ccproxy.re = {}

--- Compiles a pattern.
--- ```lua
--- local date = ccproxy.re.compile([[(\d{4})-(\d\d)]])
--- date:match("since 2026-11") -- => "2026", "11"
--- ```
---@param pattern string
---@return ccproxy.Pattern? pattern
---@return ccproxy.Error? err
function ccproxy.re.compile(pattern) end

--- The pattern that matches a text literally.
--- ```lua
--- ccproxy.re.escape("a.b") -- => "a\\.b"
--- ```
---@param text string
---@return string
function ccproxy.re.escape(text) end

--- Whether a text is what a pattern, or one of a list, says: `*` is any run of characters, as in `when`.
--- ```lua
--- ccproxy.re.glob({ "claude-*", "gpt-*" }, "claude-opus") -- => true
--- ```
---@param patterns string|string[]
---@param text string
---@return boolean
function ccproxy.re.glob(patterns, text) end

--- What a table has for a text: under the text itself, else under the pattern (with `*`) that says most of it.
--- ```lua
--- local prices = { ["claude-*"] = 3, ["claude-opus-*"] = 15 }
--- ccproxy.re.closest(prices, "claude-opus-4") -- => 15
--- ```
---@generic T
---@param map table<string, T>
---@param text string
---@return T?
function ccproxy.re.closest(map, text) end

--- Whether the pattern matches anywhere.
--- ```lua
--- ccproxy.re.is([[^sk-]], "sk-123") -- => true
--- ```
---@param pattern ccproxy.Pattern|string
---@param text string
---@return boolean
function ccproxy.re.is(pattern, text) end

--- First and last byte of the first match from byte `init` on.
--- ```lua
--- ccproxy.re.find([[l+]], "hello") -- => 3, 4
--- ```
---@param pattern ccproxy.Pattern|string
---@param text string
---@param init? integer
---@return integer? first
---@return integer? last
function ccproxy.re.find(pattern, text, init) end

--- The groups of the first match, or the match when the pattern has no groups.
--- ```lua
--- ccproxy.re.match([[(\w+)@(\w+)]], "ada@example") -- => "ada", "example"
--- ```
---@param pattern ccproxy.Pattern|string
---@param text string
---@return string? ...
function ccproxy.re.match(pattern, text) end

--- The first match: 0 is all of it, groups by number and by name.
--- ```lua
--- local found = ccproxy.re.captures([[(?<user>\w+)@]], "ada@example")
--- found.user -- => "ada"
--- ```
---@param pattern ccproxy.Pattern|string
---@param text string
---@return table<integer|string, string>?
function ccproxy.re.captures(pattern, text) end

--- Every match, or its first group when there are groups.
--- ```lua
--- ccproxy.re.all([[\d+]], "1 and 22") -- => { "1", "22" }
--- ```
---@param pattern ccproxy.Pattern|string
---@param text string
---@param max? integer
---@return string[]
function ccproxy.re.all(pattern, text, max) end

--- Replaces matches by text (`$1`, `${name}`, `$$`) or by what a function makes of the groups (nil: as it
--- was). The function cannot wait.
--- ```lua
--- ccproxy.re.gsub([[\d+]], "room 101", "[number]") -- => "room [number]", 1
--- ```
---@param pattern ccproxy.Pattern|string
---@param text string
---@param replacement string|fun(...: string): string|number|false|nil
---@param max? integer
---@return string text
---@return integer count
function ccproxy.re.gsub(pattern, text, replacement, max) end

--- The pieces between matches.
--- ```lua
--- ccproxy.re.split([[\s*,\s*]], "a , b,c") -- => { "a", "b", "c" }
--- ```
---@param pattern ccproxy.Pattern|string
---@param text string
---@param max? integer
---@return string[]
function ccproxy.re.split(pattern, text, max) end

--- A compiled pattern, with the functions of `ccproxy.re` as methods.
---@class ccproxy.Pattern
local Pattern = {}

--- As `ccproxy.re.is`.
--- ```lua
--- local word = ccproxy.re.compile([[(\w+)]])
--- word:is("!") -- => false
--- ```
---@param text string
---@return boolean
function Pattern:is(text) end

--- As `ccproxy.re.find`.
--- ```lua
--- local word = ccproxy.re.compile([[(\w+)]])
--- word:find("- ada") -- => 3, 5
--- ```
---@param text string
---@param init? integer
---@return integer? first
---@return integer? last
function Pattern:find(text, init) end

--- As `ccproxy.re.match`.
--- ```lua
--- local word = ccproxy.re.compile([[(\w+)]])
--- word:match("ada and bob") -- => "ada"
--- ```
---@param text string
---@return string? ...
function Pattern:match(text) end

--- As `ccproxy.re.captures`.
--- ```lua
--- local word = ccproxy.re.compile([[(\w+)]])
--- word:captures("ada")[0] -- => "ada"
--- ```
---@param text string
---@return table<integer|string, string>?
function Pattern:captures(text) end

--- As `ccproxy.re.all`.
--- ```lua
--- local word = ccproxy.re.compile([[(\w+)]])
--- word:all("ada and bob", 2) -- => { "ada", "and" }
--- ```
---@param text string
---@param max? integer
---@return string[]
function Pattern:all(text, max) end

--- As `ccproxy.re.gsub`.
--- ```lua
--- local word = ccproxy.re.compile([[(\w+)]])
--- word:gsub("ada", "<$1>") -- => "<ada>", 1
--- ```
---@param text string
---@param replacement string|fun(...: string): string|number|false|nil
---@param max? integer
---@return string text
---@return integer count
function Pattern:gsub(text, replacement, max) end

--- As `ccproxy.re.split`.
--- ```lua
--- local word = ccproxy.re.compile([[(\w+)]])
--- word:split("1-2-3") -- => { "", "-", "-", "" }
--- ```
---@param text string
---@param max? integer
---@return string[]
function Pattern:split(text, max) end
