-- Constants come as pairs of hexadecimal digits: data can't become source.
local function unhex(digits)
  return (string.gsub(digits, "%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end
