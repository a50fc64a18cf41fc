-- Refuses new requests while something is repaired. `ccproxy x maintenance_mode on "until noon"`, `... off`; it is kept over
-- reloads of the plugin.

---@type ccproxy.Plugin
return {
  name = "maintenance_mode",
  version = "1.0.0",
  description = "Refuses requests while something is repaired",
  capabilities = { "kv" },
  config = {
    retry_after = ccproxy.schema.duration { default = "5m", min = 1, doc = "When clients may come back" },
    except = ccproxy.schema.list {
      of = ccproxy.schema.string(),
      default = {},
      doc = "Names of keys that may go on",
    },
  },
  middleware = {
    {
      layer = "security",
      request = function(req, plugin)
        local why = ccproxy.kv.get("why")
        if why and not table.find(plugin.config.except, req.client.id) then
          return ccproxy.error(
            503,
            "overloaded_error",
            why,
            { ["retry-after"] = math.ceil(plugin.config.retry_after) }
          )
        end
      end,
    },
  },
  commands = {
    {
      name = "on",
      summary = "Refuses requests from now on; the words after it are told to clients",
      run = function(args)
        ccproxy.kv.set(
          "why",
          #args > 0 and table.concat(args, " ") or "something is repaired, come back later"
        )
        return "requests are refused"
      end,
    },
    {
      name = "off",
      summary = "Takes requests again",
      run = function()
        ccproxy.kv.delete("why")
        return "requests are taken"
      end,
    },
  },
  health = function()
    local why = ccproxy.kv.get("why")
    if why then
      return "warn", why
    end
    return "pass"
  end,
}
