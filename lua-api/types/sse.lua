---@meta ccproxy.sse

--- The text of server-sent events.
---@class ccproxy.sse
ccproxy.sse = {}

---@class (exact) ccproxy.sse.Event
---@field event? string Its name; `message` when it was read without one.
---@field data? any Text, or plain data that becomes JSON.
---@field id? string
---@field retry? integer|string Milliseconds.
---@field comment? string

--- The text of one event.
--- ```lua
--- ccproxy.sse.encode({ event = "tick", data = { n = 1 } }) -- => 'event: tick\ndata: {"n":1}\n\n'
--- ```
---@param event ccproxy.sse.Event
---@return string
function ccproxy.sse.encode(event) end

--- The events of a text; comments and what is unfinished at its end are left out.
--- ```lua
--- local events = ccproxy.sse.parse("event: tick\ndata: 1\n\n")
--- events[1].event -- => "tick"
--- ```
---@param text string
---@return ccproxy.sse.Event[]? events
---@return ccproxy.Error? err
function ccproxy.sse.parse(text) end
