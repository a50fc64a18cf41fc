-- Lets only named tools through to the model: others are taken out of the request. Works in every format.

local NAMES = { "name", "function.name" }

local function name_of(body, at)
  for _, path in NAMES do
    local name = body:get(at .. "." .. path)
    if type(name) == "string" then
      return name
    end
  end
  -- A tool of the provider's own, such as `web_search_20250305`.
  return body:get(at .. ".type")
end

---@type ccproxy.Plugin
return {
  name = "tool_allow_list",
  version = "1.0.0",
  description = "Takes tools out of requests that are not on a list",
  config = {
    allow = ccproxy.schema.list {
      of = ccproxy.schema.string(),
      default = { "*" },
      doc = "Names; `*` is any run of characters",
    },
    refuse = ccproxy.schema.boolean { default = false, doc = "Refuse the request instead of taking tools out" },
  },
  middleware = {
    {
      layer = "security",
      when = { methods = { "POST" } },
      body = "write",
      request = function(req, plugin)
        local dropped = {}
        for at = req.body:len("tools") or 0, 1, -1 do
          local place = "tools[" .. at .. "]"
          local name = tostring(name_of(req.body, place))
          if not ccproxy.re.glob(plugin.config.allow, name) then
            table.insert(dropped, name)
            req.body:delete(place)
          end
        end
        if #dropped == 0 then
          return
        end
        if plugin.config.refuse then
          return ccproxy.error(
            403,
            "permission_error",
            "these tools are not allowed: " .. table.concat(dropped, ", ")
          )
        end
        if req.body:len("tools") == 0 then
          req.body:delete("tools")
          req.body:delete("tool_choice")
        end
        ccproxy.log.info("tools were taken out", { tools = dropped })
      end,
    },
  },
}
