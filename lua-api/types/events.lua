---@meta ccproxy.events

--- A plugin's own events.
---@class ccproxy.events
ccproxy.events = {}

--- Emits an event, which hooks hear as `custom.<name>`, with the emitting plugin's name in `plugin`. Never waits.
--- ```lua
--- ccproxy.events.emit("budget.spent", { key = "alice", dollars = 12.5 })
--- ```
---@param name string Lower case letters, digits, `_` and `.`.
---@param data? table Named fields of plain data, at most 64 KiB.
---@return boolean? done
---@return ccproxy.Error? err More than 1000 events a second.
function ccproxy.events.emit(name, data) end
