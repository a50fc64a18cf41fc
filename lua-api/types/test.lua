---@meta ccproxy.test

--- Tests of plugins: files `*_test.lua` beside a `plugin.lua`, or below its `tests/`, run by `ccproxy plugins test`. A
--- test file registers tests; each runs in a VM of its own, with the `ccproxy` table, the plugin's modules (`require`),
--- and a clock that stands still until everybody waits.
---@class ccproxy.Tests
---@field skip fun(name: string, run: fun(t: ccproxy.Test)) Registers a test that is not run.
---@overload fun(name: string, run: fun(t: ccproxy.Test))
test = {}

--- What a test has in its hands. The functions take no `self`; called with a colon they do the same. A last text is said
--- beside a failure.
---@class ccproxy.Test
---@field name string The name of the test.
---@field eq fun(got: any, expected: any, message?: string) The same values, tables by what is in them; `{}` is an empty list, too.
---@field ne fun(got: any, other: any, message?: string)
---@field has fun(got: any, part: table, message?: string) Every field of `part` is there with that value, at any depth.
---@field truthy fun(got: any, message?: string)
---@field falsy fun(got: any, message?: string)
---@field near fun(got: number, expected: number, most?: number, message?: string) At most a millionth apart, or `most`.
---@field contains fun(whole: any, part: any, message?: string) A text in a text, or an item in a list, of which it may be a part.
---@field lacks fun(whole: any, part: any, message?: string)
---@field matches fun(text: any, pattern: string, message?: string) A regular expression, as in `ccproxy.re`.
---@field raises fun(run: fun(), part?: string, message?: string): string What it raised, as text.
---@field fail fun(message: string)
---@field skip fun(why?: string) Ends the test here.
---@field snapshot fun(value: any, name?: string) As in its file `snapshots/<file>/<test>.snap`; text as it is, the rest as JSON. Identities of exchanges read `x<exchange>`.
---@field proxy fun(options?: ccproxy.test.Options): ccproxy.test.Proxy Starts a proxy with the plugin in it.
---@field advance fun(time: ccproxy.Duration) Lets that time pass: what is due on the way happens in its turn.
---@field now fun(): number The date in seconds since 1970; tests begin on 2026-01-01 at midnight UTC.
---@field read fun(path: string): string A file of the plugin's folder.

---@class (exact) ccproxy.test.Options
---@field config? table The plugin's settings.
---@field plugins? string[] Others that run beside it, by name: from the folder beside it, the plugin folders, the binary.
---@field settings? table More of the configuration, as tables: `{ routing = { ... } }`.

--- A whole proxy: the real pipeline and providers, with keys of their own and nothing of the machine's configuration.
---@class ccproxy.test.Proxy
---@field name string The plugin's name.
---@field upstream ccproxy.test.Upstream The providers.
---@field http ccproxy.test.Http The hosts that `ccproxy.http` asks.
---@field kv ccproxy.kv What the plugin keeps.
---@field file ccproxy.file The plugin's files. What the plugin appends is there at once.
---@field logs ccproxy.test.Line[] What the plugin logged so far.
local Proxy = {}

---@class ccproxy.test.Line
---@field level "debug"|"info"|"warn"|"error"
---@field message string
---@field fields? table

--- What is asked of a model. Every other field goes into the body; without them there is a model, and a greeting.
---@class ccproxy.test.Question
---@field prompt? string What the user says.
---@field stream? boolean
---@field model? string `claude-sonnet-4-5`, or `gpt-5`.
---@field headers? table<string, string|number|string[]>
---@field provider? string The route of this provider instead of the front door.
---@field path? string This path instead.
---@field body? string The whole body as it is.
---@field [string] any

--- A client of `/v1/messages`. Hooks have heard of the exchange when the answer is there.
---@param question? ccproxy.test.Question
---@return ccproxy.test.Answer
function Proxy:anthropic(question) end

--- A client of `/v1/chat/completions`.
---@param question? ccproxy.test.Question
---@return ccproxy.test.Answer
function Proxy:openai_chat(question) end

--- A client of `/v1/responses`.
---@param question? ccproxy.test.Question
---@return ccproxy.test.Answer
function Proxy:openai_responses(question) end

---@class (exact) ccproxy.test.Request
---@field method? string `GET` when absent.
---@field path? string
---@field headers? table<string, string|number|string[]>
---@field json? any
---@field body? string

---@param request ccproxy.test.Request
---@return ccproxy.test.Answer
function Proxy:request(request) end

---@param path string
---@param request? ccproxy.test.Request
---@return ccproxy.test.Answer
function Proxy:get(path, request) end

---@param path string
---@param request? ccproxy.test.Request
---@return ccproxy.test.Answer
function Proxy:post(path, request) end

--- Begins one of these requests (`anthropic`, `openai_chat`, `openai_responses`, `request`, `get`, `post`), and goes on.
---@param name string
---@param ... any As that function takes them.
---@return ccproxy.test.Pending
function Proxy:start(name, ...) end

--- Has hooks hear an event, and waits until they have.
---@param name string
---@param fields? table
---@param body? string For plugins with the capability `wire`.
function Proxy:emit(name, fields, body) end

--- Runs a task now. Raises what it raises.
---@param name string
---@return table status
function Proxy:run_task(name) end

--- Runs a command, or an auth command, with these words.
---@param name string
---@param ... string
---@return any printed
function Proxy:command(name, ...) end

--- Calls a service, as another plugin would.
---@param service string
---@param run string
---@param ... any
---@return any
function Proxy:call(service, run, ...) end

---@return { status: "pass"|"warn"|"fail", output: string?, details: table }
function Proxy:health() end

--- What `/plugins/status` counts for the plugin.
---@return table<string, any>
function Proxy:status() end

--- Loads the plugin anew, as after a save: `snapshot`, then `setup` with it.
function Proxy:reload() end

--- Waits until hooks have heard everything so far.
function Proxy:settle() end

--- How often the plugin failed. A test in which it did fails, unless it asks this.
---@return integer
function Proxy:failures() end

--- What a client got.
---@class ccproxy.test.Answer
---@field status integer
---@field headers table<string, string> A name is found in any case.
---@field body string
---@field json any Of an answer that is no stream; nil when it is no JSON.
---@field events ccproxy.test.Event[] Of a stream.
---@field text string What the model says, in any of the formats.
---@field error? table The error in it, in any of the formats.
---@field chunks string[] The body as it came.
---@field broken? string Why the connection broke, if it did.

---@class ccproxy.test.Event
---@field event? string
---@field data any Decoded where it is JSON.
---@field raw string

--- A request in the background.
---@class ccproxy.test.Pending
local Pending = {}

---@return ccproxy.test.Answer
function Pending:wait() end

---@return boolean
function Pending:is_done() end

--- What came until now; `status` is 0 before the head.
---@return ccproxy.test.Answer
function Pending:so_far() end

--- The client goes away.
function Pending:leave() end

--- What providers answer, and what they were asked. Without an answer they say "Hello there", in their format.
---@class ccproxy.test.Upstream
---@field last ccproxy.test.Sent Raises when there is none.
---@field requests ccproxy.test.Sent[]
---@field count integer
local Upstream = {}

--- The next answer; several stand in a queue. A test that leaves some of them there fails.
---@param reply ccproxy.test.Reply|fun(request: ccproxy.test.Sent): ccproxy.test.Reply
function Upstream:reply(reply) end

--- What is answered while nothing is queued.
---@param reply ccproxy.test.Reply|fun(request: ccproxy.test.Sent): ccproxy.test.Reply
function Upstream:always(reply) end

--- Calls `run` with the answer whole, then with the answer cut in two at every byte. Says how often.
---@param reply ccproxy.test.Reply
---@param run fun(after: integer)
---@return integer
function Upstream:every_cut(reply, run) end

--- One of `json`, `body`, `events`, or `say` with `tool`.
---@class (exact) ccproxy.test.Reply
---@field status? integer
---@field headers? table<string, string|number|string[]>
---@field json? any
---@field body? string
---@field events? (ccproxy.sse.Event|string)[] A stream; text goes as it is.
---@field say? string|string[] What the model says, whole or streamed, in the format that is asked.
---@field tool? ccproxy.test.Tool|ccproxy.test.Tool[] What it calls.
---@field cut? integer|integer[] Pieces of so many bytes, or a piece up to each of these.
---@field delay? ccproxy.Duration Before the head.
---@field pause? ccproxy.Duration Before each piece but the first.
---@field breaks? boolean|integer The connection breaks behind the last byte, or after so many.
---@field refuse? boolean|string There is no connection, because.

---@class (exact) ccproxy.test.Tool
---@field name string
---@field input? table

--- What left the proxy.
---@class ccproxy.test.Sent
---@field method string
---@field url string
---@field path string
---@field query string
---@field headers table<string, string> A name is found in any case.
---@field body string
---@field json any

--- What hosts answer to `ccproxy.http`, and what they were asked. A request that no rule is for fails the test.
---@class ccproxy.test.Http
---@field last ccproxy.test.Sent Raises when there is none.
---@field requests ccproxy.test.Sent[]
---@field count integer
local Http = {}

--- A rule; `*` in the URL is any run of characters, a method before it (`POST https://...`) is one more condition. The
--- rule that was made last counts.
---@param url string
---@param reply ccproxy.test.Reply|fun(request: ccproxy.test.Sent): ccproxy.test.Reply
function Http:on(url, reply) end
