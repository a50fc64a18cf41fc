-- Declares an OAuth provider and commands to log in and out: `ccproxy x @NAME@ login <key>`.
-- Credentials of providers never reach Lua; what is kept here is this plugin's own.

---@type ccproxy.Plugin
return {
  name = "@NAME@",
  version = "0.1.0",
  description = "Logs in to a service of one's own",
  capabilities = { "kv", "http:login.example.com" },
  oauth_provider = {
    name = "@DASHED@",
    display_name = "@NAME@",
    supports_pkce = false,
    supports_refresh = false,
  },
  auth_commands = {
    {
      name = "login",
      summary = "Keeps who logged in",
      run = function(words)
        local key = words[1]
        if not key then
          return { error = "say the key: `ccproxy x @NAME@ login <key>`" }
        end
        local answer, err = ccproxy.http.post("https://login.example.com/check", { json = { key = key } })
        if not answer or answer.status ~= 200 then
          return { error = "the service says no", why = answer and answer.status or tostring(err) }
        end
        local who = answer.json().user
        ccproxy.kv.set("user", who)
        return { logged_in = who }
      end,
    },
    {
      name = "logout",
      summary = "Forgets it",
      run = function()
        return { logged_out = ccproxy.kv.delete("user") }
      end,
    },
  },
  health = function()
    local who = ccproxy.kv.get("user")
    return who and "pass" or "warn", who and "logged in as " .. who or "nobody is logged in"
  end,
}
