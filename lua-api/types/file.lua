---@meta ccproxy.file

--- Files in the plugin's own data folder, private to their owner. A path is relative to it; an absolute
--- one must be the value of a `path` setting that the operator wrote. Needs the capability `files`.
---@class ccproxy.file
ccproxy.file = {}

--- Queues text for the end of a file; never waits for the disk.
--- ```lua
--- ccproxy.file.append("audit.log", "one line\n", { max_size = 1048576, keep = 3 })
--- ```
---@param path string
---@param text string
---@param options? { max_size?: integer, keep?: integer } Turns the file over at `max_size` bytes, keeping `keep` old ones (5 when absent).
---@return boolean? done
---@return ccproxy.Error? err The disk is behind, and the text was dropped.
function ccproxy.file.append(path, text, options) end

--- Reads a file, after what is queued for it.
--- ```lua
--- local text, err = ccproxy.file.read("rules.toml", { max_size = 65536 })
--- if not text and err and err.status ~= 404 then
---   ccproxy.log.warn("the rules cannot be read", { why = err.message })
--- end
--- ```
---@param path string
---@param options? { max_size?: integer } Most bytes; the plugin's output limit when absent.
---@return string? bytes
---@return ccproxy.Error? err Of status 404 when there is no such file.
function ccproxy.file.read(path, options) end

--- Queues the removal of a file or of an empty folder.
--- ```lua
--- ccproxy.file.remove("old.log")
--- ```
---@param path string
---@return boolean
function ccproxy.file.remove(path) end

--- The names in a folder, sorted.
--- ```lua
--- ccproxy.file.append("today.log", "x")
--- ccproxy.file.flush()
--- ccproxy.file.list() -- => { "today.log" }
--- ```
---@param folder? string The plugin's own when absent.
---@return string[]
function ccproxy.file.list(folder) end

--- Waits until what was queued is on its way to the disk.
--- ```lua
--- ccproxy.file.append("audit.log", "last words\n")
--- ccproxy.file.flush()
--- ```
function ccproxy.file.flush() end
