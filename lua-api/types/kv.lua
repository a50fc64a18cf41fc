---@meta ccproxy.kv

--- What the plugin keeps between exchanges and over reloads, apart from every other plugin. Bounded: a
--- full space gives `nil, err`. Needs the capability `kv`.
---@class ccproxy.kv
ccproxy.kv = {}

---@class (exact) ccproxy.kv.Options
---@field ttl? ccproxy.Duration When the key expires; never when absent.

---@param key string
---@return any value Nil when it is not there.
function ccproxy.kv.get(key) end

--- Sets a key, whatever was there.
---@param key string
---@param value ccproxy.Plain
---@param options? ccproxy.kv.Options
---@return boolean? done
---@return ccproxy.Error? err
function ccproxy.kv.set(key, value, options) end

--- Sets a key that is not there. False when it is.
---@param key string
---@param value ccproxy.Plain
---@param options? ccproxy.kv.Options
---@return boolean? done
---@return ccproxy.Error? err
function ccproxy.kv.add(key, value, options) end

--- Removes a key. Says whether it was there.
---@param key string
---@return boolean
function ccproxy.kv.delete(key) end

--- Adds to a counter, exactly, and returns the sum. The `ttl` is used by the first count only, so that a
--- window runs from there.
---@param key string
---@param by? integer 1 when absent.
---@param options? ccproxy.kv.Options
---@return integer sum Text beyond 2^53; nil with an error when it cannot be counted.
---@return ccproxy.Error? err
function ccproxy.kv.incr(key, by, options) end

--- Sets a key whose value is `expected` (nil: not there). Says whether it was.
---@param key string
---@param expected any
---@param value ccproxy.Plain
---@param options? ccproxy.kv.Options
---@return boolean? done
---@return ccproxy.Error? err
function ccproxy.kv.cas(key, expected, value, options) end

--- Changes a value by a function, which may be called again when others change it meanwhile and cannot
--- wait. When it returns nil nothing is written.
---@param key string
---@param change fun(old: any): any
---@param options? ccproxy.kv.Options
---@return any value What was written.
---@return ccproxy.Error? err
function ccproxy.kv.update(key, change, options) end

--- Sets when a key expires; nil: never. Says whether the key is there.
---@param key string
---@param ttl? ccproxy.Duration
---@return boolean
function ccproxy.kv.expire(key, ttl) end

--- Seconds a key still lives: nil when it is not there, `math.huge` when it never expires.
---@param key string
---@return number?
function ccproxy.kv.ttl(key) end

--- The keys that begin with `prefix`, sorted.
---@param prefix? string
---@param options? { limit?: integer } 1000 when absent.
---@return string[]
function ccproxy.kv.keys(prefix, options) end
