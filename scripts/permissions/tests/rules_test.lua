-- The rules alone, without a proxy: a module of the plugin is a module of its tests.

local rules = require("rules")

test("a wrong rule is named with its number", function(t)
  t.raises(function()
    rules.configure { { action = "allow" }, { action = "maybe" } }
  end, "2")
end)
