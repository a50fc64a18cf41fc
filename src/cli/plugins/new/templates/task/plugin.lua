-- Asks a server every few minutes how it is, and tells who asks.

local last = { ok = false, said = "not asked yet" }

---@type ccproxy.Plugin
return {
  name = "@NAME@",
  version = "0.1.0",
  description = "Looks at a server now and then",
  -- The host that is asked; `http:*` is every public one.
  capabilities = { "http:status.example.com" },
  config = {
    url = ccproxy.schema.url { default = "https://status.example.com/", doc = "What is asked" },
  },
  tasks = {
    {
      name = "look",
      every = "5m",
      at_start = true,
      run = function(plugin)
        local answer, err = ccproxy.http.get(plugin.config.url, { timeout = "10s" })
        last = { ok = answer ~= nil and answer.status < 400, said = answer and answer.body or tostring(err) }
      end,
    },
  },
  -- `ccproxy x @NAME@ look`
  commands = {
    {
      name = "look",
      summary = "How it was last time",
      run = function()
        return last
      end,
    },
  },
  health = function()
    return last.ok and "pass" or "warn", last.said
  end,
}
