local events = ccproxy.events

-- Nobody listens here; who hears what is tested with the bus.
equal(events.emit("budget_spent", { amount = 5 }), true)
equal(events.emit("budget.spent"), true)

raises("expected string, got nil", events.emit)
raises("name an event", events.emit, "Bad Name")
raises("name an event", events.emit, "")
raises("table with named fields", events.emit, "x", 1)
raises("table with named fields", events.emit, "x", { 1, 2 })
raises("a function is not plain data", events.emit, "x", { f = print })
raises("larger than", events.emit, "x", { text = ("x"):rep(100000) })

-- A flood is cut.
local refused = 0
for _ = 1, 5000 do
  local ok, err = events.emit("flood")
  if not ok then
    equal(err.status, 429)
    refused = refused + 1
  end
end
assert(refused > 0)
