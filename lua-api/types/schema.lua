---@meta ccproxy.schema

--- Describes settings: `config = { limit = ccproxy.schema.integer { default = 60 } }`.
---@class ccproxy.schema
ccproxy.schema = {}

--- A described setting.
---@class ccproxy.schema.Field

--- What every builder takes.
---@class ccproxy.schema.Options
---@field doc? string One line: what it is for.
---@field default? any The value when it is not set.
---@field required? boolean Whether it must be set.

---@class ccproxy.schema.StringOptions: ccproxy.schema.Options
---@field min_length? integer
---@field pattern? string A regular expression that it must match.

---@class ccproxy.schema.NumberOptions: ccproxy.schema.Options
---@field min? number
---@field max? number

---@class ccproxy.schema.UnitOptions: ccproxy.schema.Options
---@field min? number|string
---@field max? number|string

---@class ccproxy.schema.OfOptions: ccproxy.schema.Options
---@field of ccproxy.schema.Field What each value is.

---@class ccproxy.schema.TableOptions: ccproxy.schema.Options
---@field fields table<string, ccproxy.schema.Field>
---@field open? boolean Whether other keys are kept rather than refused.

--- Anything.
--- ```lua
--- ccproxy.schema.any({ doc = "Handed on as it is" })
--- ```
---@param options? ccproxy.schema.Options
---@return ccproxy.schema.Field
function ccproxy.schema.any(options) end

--- True or false.
--- ```lua
--- ccproxy.schema.boolean({ default = true, doc = "Whether it runs" })
--- ```
---@param options? ccproxy.schema.Options
---@return ccproxy.schema.Field
function ccproxy.schema.boolean(options) end

--- Text.
--- ```lua
--- ccproxy.schema.string({ required = true, min_length = 1, pattern = "^[a-z]+$" })
--- ```
---@param options? ccproxy.schema.StringOptions
---@return ccproxy.schema.Field
function ccproxy.schema.string(options) end

--- A whole number.
--- ```lua
--- ccproxy.schema.integer({ default = 60, min = 1, doc = "Requests a minute" })
--- ```
---@param options? ccproxy.schema.NumberOptions
---@return ccproxy.schema.Field
function ccproxy.schema.integer(options) end

--- A number.
--- ```lua
--- ccproxy.schema.number({ default = 0.5, min = 0, max = 1 })
--- ```
---@param options? ccproxy.schema.NumberOptions
---@return ccproxy.schema.Field
function ccproxy.schema.number(options) end

--- A time span, given as seconds or text such as `"5m"`; a handler reads seconds.
--- ```lua
--- ccproxy.schema.duration({ default = "5m", min = "1s" })
--- ```
---@param options? ccproxy.schema.UnitOptions
---@return ccproxy.schema.Field
function ccproxy.schema.duration(options) end

--- A size, given as bytes or text such as `"16MiB"`; a handler reads bytes.
--- ```lua
--- ccproxy.schema.size({ default = "16MiB", max = "1GiB" })
--- ```
---@param options? ccproxy.schema.UnitOptions
---@return ccproxy.schema.Field
function ccproxy.schema.size(options) end

--- An http or https URL.
--- ```lua
--- ccproxy.schema.url({ doc = "Where to send reports" })
--- ```
---@param options? ccproxy.schema.Options
---@return ccproxy.schema.Field
function ccproxy.schema.url(options) end

--- A path.
--- ```lua
--- ccproxy.schema.path({ doc = "The file with the rules" })
--- ```
---@param options? ccproxy.schema.Options
---@return ccproxy.schema.Field
function ccproxy.schema.path(options) end

--- A credential: text, `env:NAME` or `file:/path`. Never printed.
--- ```lua
--- ccproxy.schema.secret({ doc = "The key of the webhook" })
--- ```
---@param options? ccproxy.schema.Options
---@return ccproxy.schema.Field
function ccproxy.schema.secret(options) end

--- One of these texts.
--- ```lua
--- ccproxy.schema.enum({ "allow", "deny" }, { default = "deny" })
--- ```
---@param values string[]
---@param options? ccproxy.schema.Options
---@return ccproxy.schema.Field
function ccproxy.schema.enum(values, options) end

--- A list of values of one kind.
--- ```lua
--- ccproxy.schema.list({ of = ccproxy.schema.string(), default = {} })
--- ```
---@param options ccproxy.schema.OfOptions
---@return ccproxy.schema.Field
function ccproxy.schema.list(options) end

--- A table with free keys and values of one kind.
--- ```lua
--- ccproxy.schema.map({ of = ccproxy.schema.number(), doc = "Price by model" })
--- ```
---@param options ccproxy.schema.OfOptions
---@return ccproxy.schema.Field
function ccproxy.schema.map(options) end

--- A table with described fields.
--- ```lua
--- ccproxy.schema.table({
---   fields = { from = ccproxy.schema.integer({ default = 8 }), to = ccproxy.schema.integer({ default = 18 }) },
---   doc = "Business hours",
--- })
--- ```
---@param options ccproxy.schema.TableOptions
---@return ccproxy.schema.Field
function ccproxy.schema.table(options) end
