-- Refuses new requests while something is repaired. `ccproxy x maintenance_mode on "until noon"`, `... off`; it is kept over
-- reloads of the plugin and restarts of the proxy.

-- What clients are told; `kv` is in memory, the file is for restarts.
local FILE = "why.txt"

---@type ccproxy.Plugin
return {
  name = "maintenance_mode",
  version = "1.1.0",
  description = "Refuses requests while something is repaired",
  capabilities = { "kv", "files" },
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
        local why = #args > 0 and table.concat(args, " ") or "something is repaired, come back later"
        ccproxy.kv.set("why", why)
        ccproxy.file.remove(FILE)
        ccproxy.file.append(FILE, why)
        return "requests are refused"
      end,
    },
    {
      name = "off",
      summary = "Takes requests again",
      run = function()
        ccproxy.kv.delete("why")
        ccproxy.file.remove(FILE)
        return "requests are taken"
      end,
    },
  },
  setup = function()
    local why = ccproxy.file.read(FILE)
    if why then
      ccproxy.kv.set("why", why)
    end
  end,
  health = function()
    local why = ccproxy.kv.get("why")
    if why then
      return "warn", why
    end
    return "pass"
  end,
}
