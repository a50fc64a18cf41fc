---@meta ccproxy

--- What a plugin of ccproxy sees. Functions raise on wrong arguments; what fails in the world gives
--- `nil, err`, where `err` is a `ccproxy.Error`.
---@class ccproxy
ccproxy = {}

--- Null inside plain data: JSON's `null`, which a table cannot hold as nil.
---@type ccproxy.Null
ccproxy.null = nil

--- Returned by an `event` or `chunk` handler to remove what it was given.
---@type ccproxy.Drop
ccproxy.DROP = nil

--- Returned by `request`, `response` or `event`: go on, edits included, and call no later moment of this
--- middleware in this exchange.
---@type ccproxy.Done
ccproxy.DONE = nil

--- The version of ccproxy.
---@type string
ccproxy.version = ""

--- Whether this version has a part of the `ccproxy` table: `ccproxy.has("http")`.
--- ```lua
--- ccproxy.has("kv") -- => true
--- ccproxy.has("teleport") -- => false
--- ```
---@param feature string
---@return boolean
function ccproxy.has(feature) end

---@class ccproxy.Null
---@class ccproxy.Drop
---@class ccproxy.Done

--- What can be written as JSON: text in UTF-8, finite numbers, booleans, `ccproxy.null`, lists and tables.
---@alias ccproxy.Plain string|number|boolean|ccproxy.Null|table

--- Seconds, or text such as `"250ms"`, `"5m"`, `"1h30m"`.
---@alias ccproxy.Duration number|string

--- The table that `plugin.lua` returns.
---@class (exact) ccproxy.Plugin
---@field name string The name of its folder.
---@field version string `1.0.0`
---@field description? string One line.
---@field enabled? boolean False: it sleeps until the configuration mentions it.
---@field dependencies? string[] Plugins that must run first: `pricing`, `pricing >=1.2, <2`.
---@field provides? string[] Services it offers; each has its functions in `services`.
---@field requires? string[] Services it cannot do without.
---@field optional_requires? string[] Services it uses when they are there.
---@field capabilities? string[] `kv`, `files`, `wire`, `http:api.example.com`: what it may touch.
---@field config? table<string, ccproxy.schema.Field> Its settings, under `[plugins.<name>]`.
---@field middleware? ccproxy.Middleware[]
---@field hooks? table<ccproxy.EventName, ccproxy.HookHandler|ccproxy.Hook>
---@field routes? ccproxy.Route[]
---@field tasks? ccproxy.Task[]
---@field commands? ccproxy.Command[] `ccproxy x <plugin> <name>`
---@field auth_commands? ccproxy.Command[] `ccproxy auth <name>`
---@field services? table<string, table<string, fun(...): any>>
---@field oauth_provider? ccproxy.OAuthProvider
---@field patience? ccproxy.Duration How much longer than `wall` a call may take, for one that waits for a person; at most an hour.
---@field instances? "one"|"per_core" One VM (default), or one a core for a plugin without state of its own.
---@field limits? ccproxy.Limits
---@field setup? fun(plugin: ccproxy.Self, previous: any) Gets ready; `previous` is what `snapshot` returned.
---@field snapshot? fun(plugin: ccproxy.Self): ccproxy.Plain? What the instance after a reload is given.
---@field health? fun(plugin: ccproxy.Self): (status: "pass"|"warn"|"fail"|nil, text: string?, facts: table?)
---@field shutdown? fun(plugin: ccproxy.Self)

--- What every handler is given as `plugin`. Read-only.
---@class ccproxy.Self
---@field name string
---@field version string
---@field generation integer Counts reloads.
---@field config table<string, any> The settings: checked, defaults filled in, time spans in seconds, sizes in bytes.

--- Limits that are lower than the operator's.
---@class (exact) ccproxy.Limits
---@field cpu? ccproxy.Duration Running Lua in one call; waiting does not count.
---@field wall? ccproxy.Duration A call from beginning to end.
---@field memory? integer|string
---@field output? integer|string
---@field log_rate? integer

---@alias ccproxy.Layer "security"|"observability"|"transformation"|"routing"|"application"|integer
---@alias ccproxy.BodyAccess "none"|"read"|"write"

--- Handlers on the way of exchanges. A lower layer is further out.
---@class (exact) ccproxy.Middleware
---@field layer ccproxy.Layer security = 100, observability = 200, transformation = 300, routing = 400, application = 500
---@field name? string For logs and status.
---@field priority? integer Inside the layer: lower is further out.
---@field when? ccproxy.When Which exchanges it is for; those of provider routes when absent.
---@field enabled? fun(plugin: ccproxy.Self): boolean Whether it is in force with this configuration; asked once, after `setup`.
---@field body? ccproxy.BodyAccess Its permission for prompts and answers; `"none"` when absent.
---@field on_error? "closed"|"open" Whether a failure refuses the exchange; written `closed`, also one to start.
---@field args? table Handed to the handlers last, as it is.
---@field request? fun(req: ccproxy.Request, plugin: ccproxy.Self, args?: table): ccproxy.Reply? On the way down.
---@field response? fun(req: ccproxy.Request, res: ccproxy.Response, plugin: ccproxy.Self, args?: table): ccproxy.Reply? On the way up.
---@field event? fun(req: ccproxy.Request, ev: ccproxy.StreamEvent, plugin: ccproxy.Self, args?: table): ccproxy.EventReply? One whole event of a stream.
---@field chunk? fun(req: ccproxy.Request, bytes: string, plugin: ccproxy.Self, args?: table): string|ccproxy.Drop|nil A piece of the answer.
---@field around? fun(req: ccproxy.Request, next: (fun(): ccproxy.Response?, ccproxy.Error?), plugin: ccproxy.Self, args?: table): ccproxy.Reply? For retries and caches: `next()` runs the rest.

--- All that are given must match.
---@class (exact) ccproxy.When
---@field routes? ("provider"|"plugin"|"core")[]
---@field paths? string[] `/v1/messages`, `/v1/*`
---@field methods? string[]
---@field providers? string[]
---@field models? string[]
---@field formats? ccproxy.Format[]
---@field stream? boolean
---@field status? (string|integer)[] `429`, `5xx`; not for `request` and `around`.

---@alias ccproxy.Format "anthropic_messages"|"openai_chat"|"openai_responses"

--- Nil goes on; an answer answers now; an error refuses; `ccproxy.DONE` goes on without the later moments.
---@alias ccproxy.Reply ccproxy.Answer|ccproxy.Error|ccproxy.Response|ccproxy.Done

--- An answer. It has one of `body`, `json` and `sse`, or none.
---@class (exact) ccproxy.Answer
---@field status? integer 200 to 599; 200 when absent.
---@field headers? table<string, string|number|string[]>
---@field body? string
---@field json? any Plain data.
---@field sse? fun(stream: ccproxy.Stream) Produces an event stream.

--- The client's end of an event stream that a route produces.
---@class ccproxy.Stream
local Stream = {}

--- Sends an event; waits when the client is slow. False when the client is gone.
--- ```lua
--- return {
---   sse = function(stream)
---     stream:send({ event = "tick", data = { count = 1 } })
---     stream:send({ data = "bye" })
---   end,
--- }
--- ```
---@param event ccproxy.StreamedEvent
---@return boolean
function Stream:send(event) end

--- Sends a comment, which keeps the connection open.
--- ```lua
--- return {
---   sse = function(stream)
---     while stream:comment("still here") do
---       ccproxy.time.sleep(15)
---     end
---   end,
--- }
--- ```
---@param text string
---@return boolean
function Stream:comment(text) end

--- What `stream:send` takes.
---@class (exact) ccproxy.StreamedEvent
---@field event? string Its name.
---@field name? string The same.
---@field id? string Comes back as `last-event-id` when the client connects anew. One short line.
---@field data any Text, or plain data that becomes JSON.

---@class (exact) ccproxy.EventTable
---@field event? string Its name.
---@field name? string The same.
---@field data any Text, or plain data that becomes JSON.

--- Nil leaves the event as it is; a value replaces it, a list expands it, `ccproxy.DROP` removes it.
---@alias ccproxy.EventReply ccproxy.StreamEvent|ccproxy.EventTable|ccproxy.Drop|ccproxy.Done|(ccproxy.StreamEvent|ccproxy.EventTable)[]

--- Header fields; names in any case. `headers["x-team"]` reads (nil when absent), assigning sets, assigning
--- nil removes. Credentials and framing are not there. `for name, value in headers do` walks them.
---@class ccproxy.Headers: { [string]: string? }
local Headers = {}

--- Every value of a repeated field.
--- ```lua
--- req.headers:all("accept") -- => { "*/*", "text/html" }
--- ```
---@param name string
---@return string[]
function Headers:all(name) end

--- Adds a field beside those of the same name.
--- ```lua
--- req.headers:add("x-tag", "blue")
--- req.headers:add("x-tag", "green")
--- req.headers:all("x-tag") -- => { "blue", "green" }
--- ```
---@param name string
---@param value string|number
function Headers:add(name, value) end

--- Walks the fields, as `for name, value in headers do` does.
--- ```lua
--- for name, value in req.headers:pairs() do
---   ccproxy.log.debug(name, { value = value })
--- end
--- ```
---@return fun(): string?, string?
function Headers:pairs() end

--- A request of a client.
---@class ccproxy.Request
---@field id string
---@field method string
---@field path string Can be set.
---@field query table<string, string>
---@field query_string string?
---@field headers ccproxy.Headers
---@field body ccproxy.Body Needs `body = "read"` or `"write"`.
---@field client { id: string } Whose key it was; `anonymous` when none is asked for.
---@field peer { ip: string, port: integer, tls: boolean, http2: boolean }
---@field provider string? Can be set on the way down. At the front door the first candidate's, nil when there is none yet.
---@field credential (string|string[])? Which of the provider's credentials is used, by name. Set it to a name or a list of them: these and no others, in this order.
---@field credentials ccproxy.Credential[]? The provider's credentials, where it has several.
---@field candidates string[]? At the front door: whom it would ask, in order, as `provider/model`.
---@field model string? Can be set on the way down; this writes the body.
---@field format ccproxy.Format?
---@field stream boolean Whether the body asks for a stream.
---@field params table<string, string> The `{parameters}` of the route.
---@field state table This plugin's own table for this exchange.
---@field elapsed number Seconds since it began.

--- One of several credentials of a provider.
---@class ccproxy.Credential
---@field name string
---@field kind "login"|"api_key"
---@field state "in_use"|"standby"|"cooling"|"needs_login"
---@field why string For people.
---@field ready_in number? Seconds until it is asked again, while it is left alone for every model.
---@field in_flight integer
---@field uses integer
---@field errors integer
---@field last_used number? Seconds since 1970.

--- An answer on its way up, or one that `next()` returned.
---@class ccproxy.Response
---@field status integer Can be set.
---@field headers ccproxy.Headers
---@field body ccproxy.Body? The whole body; nil for a stream, or when it is not here yet.
---@field stream boolean
local Response = {}

--- Waits for the whole body of an answer that `next()` returned, so that `body` is there.
--- ```lua
--- local res, err = next()
--- if res and res.stream and res:read() then
---   ccproxy.log.info("an answer", { bytes = res.body:size() })
--- end
--- return res or err
--- ```
---@return boolean
function Response:read() end

--- One whole event of a stream. Alive while its handler is.
---@class ccproxy.StreamEvent
---@field name string The `event:` field; empty when there is none.
---@field type string? The name, or the `type` in the data.
---@field data ccproxy.Body
---@field raw string
---@field index integer From 1.
---@field text string? The piece of answer text it carries, in any format. Can be set.

--- The request to the provider, in the hook `provider.request.prepared`.
---@class ccproxy.Outbound
---@field method string
---@field host string
---@field path string Can be set.
---@field headers ccproxy.Headers
---@field body ccproxy.Body
---@field request ccproxy.Request

--- Something that happened. Its fields stand beside `name` and `time`; see `docs/plugin-authoring.md`.
---@class ccproxy.Event
---@field name string
---@field time number Seconds since 1970.
---@field id string The exchange, for events of one.
---@field body string? Raw bytes, with the capability `wire`.
---@field [string] any

---@alias ccproxy.EventName
---| "app.startup"
---| "app.ready"
---| "app.draining"
---| "app.shutdown"
---| "request.started"
---| "request.completed"
---| "request.failed"
---| "provider.request.prepared"
---| "provider.request.sent"
---| "provider.response.received"
---| "provider.error"
---| "provider.stream.start"
---| "provider.stream.chunk"
---| "provider.stream.end"
---| "plugin.loaded"
---| "plugin.unloaded"
---| "plugin.error"
---| "http.request"
---| "http.response"
---| "http.error"
---| "oauth.token.request"
---| "oauth.token.response"
---| "oauth.refresh.request"
---| "oauth.refresh.response"
---| "oauth.error"
---| "credential.rested"
---| "credential.restored"
---| string

--- Hears an event. `provider.request.prepared` is given the request to the provider instead.
---@alias ccproxy.HookHandler fun(event: any, plugin: ccproxy.Self)

---@class (exact) ccproxy.Hook
---@field run ccproxy.HookHandler
---@field priority? integer Lower hears first; 500 when absent.
---@field body? ccproxy.BodyAccess For `provider.request.prepared`.

---@class (exact) ccproxy.Route
---@field method? string `GET` when absent.
---@field path string After the prefix; `{name}` is a parameter, `{*rest}` the rest of the path.
---@field prefix? string `/<plugin>` when absent.
---@field tags? string[] For `/openapi.json`; `plugin-<name>` when absent.
---@field summary? string
---@field auth? boolean Whether the client key is asked for; true when absent.
---@field handler fun(req: ccproxy.Request, plugin: ccproxy.Self): ccproxy.Reply?

---@class (exact) ccproxy.Task
---@field name string
---@field every ccproxy.Duration From the end of one run to the start of the next; at least a second.
---@field run fun(plugin: ccproxy.Self, args?: table)
---@field enabled? boolean
---@field at_start? boolean
---@field timeout? ccproxy.Duration
---@field jitter? number Part of the interval by which runs come earlier or later; 0.1 when absent.
---@field backoff? ccproxy.Duration Longest wait after failures; 5 minutes when absent.
---@field args? table

---@class (exact) ccproxy.Command
---@field name string
---@field summary? string
---@field run fun(args: string[], plugin: ccproxy.Self): any What it returns is printed.

--- An identity provider. A setting of the plugin that is called like one of these counts before it; `client_secret` can
--- only be such a setting. No function sees a secret: its name stands in braces where it will be, such as `"{code}"`.
---@class (exact) ccproxy.OAuthProvider
---@field name string As in `ccproxy auth login <name>`.
---@field display_name? string For people.
---@field supports_pkce? boolean Whether logins use PKCE; true when absent.
---@field supports_refresh? boolean Whether tokens can be refreshed; true when absent.
---@field client_id? string Who this program is to it.
---@field authorize_url? string Where a person logs in.
---@field token_url? string Where codes and refresh tokens become tokens.
---@field device_url? string Where a login on another device begins.
---@field revoke_url? string Where tokens are taken back.
---@field profile_url? string Where it tells whose a token is.
---@field redirect_uri? string Where the browser comes back to; port 0 takes a free one.
---@field manual_redirect_uri? string Where the browser shows the code instead.
---@field scopes? string[] What the tokens are for.
---@field authorize_params? table<string, string> More for the page where a person logs in.
---@field body? "form"|"json" How it wants its requests.
---@field send_state? boolean Whether the state goes with the code.
---@field refresh_scopes? boolean Whether the scopes go with a refresh.
---@field answer? table<string, string> Where fields of its answers stand: `{ access_token = "/data/token" }`.
---@field authorization? fun(asked: ccproxy.OAuthPage, plugin: ccproxy.Self): ccproxy.OAuthPage? The page where a person logs in.
---@field request? fun(asked: ccproxy.OAuthRequest, plugin: ccproxy.Self): ccproxy.OAuthRequest? A request for tokens, or to take them back.
---@field account? fun(known: { profile: any, claims: any }, plugin: ccproxy.Self): ccproxy.OAuthAccount? Whose the tokens are.
---@field summary? fun(summary: table<string, any>, plugin: ccproxy.Self): table<string, any>? What is told of tokens.

---@class ccproxy.OAuthPage
---@field url? string Without its query.
---@field query? table<string, string>

---@class ccproxy.OAuthRequest
---@field grant? string `authorization_code`, `refresh_token`, ...; nil when tokens are taken back.
---@field url? string One of the origins of the provider's endpoints.
---@field headers? table<string, string>
---@field fields? table<string, any>
---@field body? "form"|"json"

---@class (exact) ccproxy.OAuthAccount
---@field id? string
---@field email? string
---@field plan? string
---@field organization? string
