-- An identity provider: `ccproxy auth login @DASHED@` logs in, and a server of one's own uses that login:
--
--   [providers.acme]
--   base_url = "https://api.acme.example/v1"
--   credential = "oauth"
--   oauth = "@DASHED@"
--
-- What is plain stands here as data; a server that speaks otherwise gets functions (`authorization`, `request`, `account`,
-- `summary`). Codes, tokens and secrets are never seen by Lua: the proxy keeps them, and refreshes them.

---@type ccproxy.Plugin
return {
  name = "@NAME@",
  version = "0.1.0",
  description = "Logs in to a service of one's own",
  -- A setting that is called like a field of the provider counts before it. `client_secret` can only be a setting.
  config = {
    client_id = ccproxy.schema.string { default = "ccproxy", doc = "Who this program is to the service" },
    client_secret = ccproxy.schema.secret { doc = "When it is no public client" },
  },
  oauth_provider = {
    name = "@DASHED@",
    display_name = "@NAME@",
    authorize_url = "https://login.example.com/authorize",
    token_url = "https://login.example.com/token",
    profile_url = "https://login.example.com/me",
    redirect_uri = "http://127.0.0.1:0/callback",
    scopes = { "openid", "email" },
    -- Whose the tokens are, as `ccproxy auth status` shows it.
    account = function(known)
      return { id = known.profile.sub, email = known.profile.email }
    end,
  },
  -- `ccproxy auth @DASHED@-help`: a command beside `login` and `logout`, which are there by themselves.
  auth_commands = {
    {
      name = "@DASHED@-help",
      summary = "How one gets an account",
      run = function(_, plugin)
        return "ask your administrator for a login; this program is `" .. plugin.config.client_id .. "`"
      end,
    },
  },
}
