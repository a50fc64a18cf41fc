---@meta ccproxy.crypto

--- Digests, random bytes and their spellings.
---@class ccproxy.crypto
ccproxy.crypto = {}

---@alias ccproxy.Spelling "hex"|"base64"|"base64url"|"raw"

---@param data string
---@param spelling? ccproxy.Spelling `"hex"` when absent.
---@return string
function ccproxy.crypto.sha256(data, spelling) end

---@param key string
---@param data string
---@param spelling? ccproxy.Spelling `"hex"` when absent.
---@return string
function ccproxy.crypto.hmac_sha256(key, data, spelling) end

---@param count integer At most 65536.
---@return string
function ccproxy.crypto.random_bytes(count) end

--- A random UUID, version 4.
---@return string
function ccproxy.crypto.uuid() end

--- Whether two texts are equal, in a time that does not tell where they differ.
---@param one string
---@param two string
---@return boolean
function ccproxy.crypto.equal(one, two) end

---@param bytes string
---@return string
function ccproxy.crypto.base64_encode(bytes) end

---@param text string With or without padding.
---@return string? bytes
---@return ccproxy.Error? err
function ccproxy.crypto.base64_decode(text) end

---@param bytes string
---@return string
function ccproxy.crypto.base64url_encode(bytes) end

---@param text string With or without padding.
---@return string? bytes
---@return ccproxy.Error? err
function ccproxy.crypto.base64url_decode(text) end

---@param bytes string
---@return string
function ccproxy.crypto.hex_encode(bytes) end

---@param text string
---@return string? bytes
---@return ccproxy.Error? err
function ccproxy.crypto.hex_decode(text) end
