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
---@param options? ccproxy.schema.Options
---@return ccproxy.schema.Field
function ccproxy.schema.any(options) end

---@param options? ccproxy.schema.Options
---@return ccproxy.schema.Field
function ccproxy.schema.boolean(options) end

---@param options? ccproxy.schema.StringOptions
---@return ccproxy.schema.Field
function ccproxy.schema.string(options) end

--- A whole number.
---@param options? ccproxy.schema.NumberOptions
---@return ccproxy.schema.Field
function ccproxy.schema.integer(options) end

---@param options? ccproxy.schema.NumberOptions
---@return ccproxy.schema.Field
function ccproxy.schema.number(options) end

--- A time span, given as seconds or text such as `"5m"`; a handler reads seconds.
---@param options? ccproxy.schema.UnitOptions
---@return ccproxy.schema.Field
function ccproxy.schema.duration(options) end

--- A size, given as bytes or text such as `"16MiB"`; a handler reads bytes.
---@param options? ccproxy.schema.UnitOptions
---@return ccproxy.schema.Field
function ccproxy.schema.size(options) end

--- An http or https URL.
---@param options? ccproxy.schema.Options
---@return ccproxy.schema.Field
function ccproxy.schema.url(options) end

--- A path.
---@param options? ccproxy.schema.Options
---@return ccproxy.schema.Field
function ccproxy.schema.path(options) end

--- A credential: text, `env:NAME` or `file:/path`. Never printed.
---@param options? ccproxy.schema.Options
---@return ccproxy.schema.Field
function ccproxy.schema.secret(options) end

--- One of these texts.
---@param values string[]
---@param options? ccproxy.schema.Options
---@return ccproxy.schema.Field
function ccproxy.schema.enum(values, options) end

--- A list of values of one kind.
---@param options ccproxy.schema.OfOptions
---@return ccproxy.schema.Field
function ccproxy.schema.list(options) end

--- A table with free keys and values of one kind.
---@param options ccproxy.schema.OfOptions
---@return ccproxy.schema.Field
function ccproxy.schema.map(options) end

--- A table with described fields.
---@param options ccproxy.schema.TableOptions
---@return ccproxy.schema.Field
function ccproxy.schema.table(options) end
