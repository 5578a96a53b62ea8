"""Lua scripts, each within one hash slot and safe to run twice."""

# Each versioned record is a hash: r = revision, o = the operation that wrote it, v = its bytes.
READ = """
local time = redis.call('TIME')
local answer = {time[1] * 1000 + math.floor(time[2] / 1000)}
for i, key in ipairs(KEYS) do
  local record = redis.call('HMGET', key, 'r', 'v')
  answer[2 * i] = record[1] or 0
  answer[2 * i + 1] = record[2] or ''
end
return answer
"""

# ARGV: operation, channel, news ('' for none), then for each key: expected revision (-1: any), ttl in ms, value (''
# deletes).
# The first key is always written, so its operation tells a repeated script from a lost race.
# A repetition writes it again: WAIT waits for what was written over its own connection and for nothing else.
COMMIT = """
if redis.call('HGET', KEYS[1], 'o') == ARGV[1] then
  redis.call('HSET', KEYS[1], 'o', ARGV[1])
  return 1
end
for i, key in ipairs(KEYS) do
  local expected = ARGV[3 * i + 1]
  if expected ~= '-1' and (redis.call('HGET', key, 'r') or '0') ~= expected then return 0 end
end
for i, key in ipairs(KEYS) do
  if ARGV[3 * i + 3] == '' then
    redis.call('DEL', key)
  else
    redis.call('HSET', key, 'r', math.max(ARGV[3 * i + 1] + 1, 1), 'o', ARGV[1], 'v', ARGV[3 * i + 3])
    redis.call('PEXPIRE', key, ARGV[3 * i + 2])
  end
end
if ARGV[3] ~= '' then redis.call('PUBLISH', ARGV[2], ARGV[3]) end
return 1
"""

# Whether it was there. Where it was not, it writes all the same, as COMMIT does for a repetition; a full server may
# refuse that much.
ERASE = """
local there = redis.call('DEL', KEYS[1])
if there == 0 then
  redis.pcall('SET', KEYS[1], '')
  redis.call('DEL', KEYS[1])
end
return there
"""

# ARGV: amount, the least of it that is of use, then quantity and window (ms) of each key. Fields: `<window>:<n>` =
# spent in the nth 24th of that window, `until` = nothing before. 25 of them count, so that no moment is left out.
SPEND = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local amount, least = tonumber(ARGV[1]), tonumber(ARGV[2])
local room, wait, untils = math.huge, 0, {}
for k, key in ipairs(KEYS) do
  local quantity, window = tonumber(ARGV[2 * k + 1]), tonumber(ARGV[2 * k + 2])
  local width, slots, spent = window / 24, {}, 0
  local oldest = math.floor(now / width) - 24
  local fields = redis.call('HGETALL', key)
  untils[k] = 0
  for f = 1, #fields, 2 do
    local of, slot = string.match(fields[f], '^(%d+):(%d+)$')
    if fields[f] == 'until' then
      untils[k] = tonumber(fields[f + 1])
    elseif of == ARGV[2 * k + 2] then
      slot = tonumber(slot)
      if slot < oldest then
        redis.call('HDEL', key, fields[f])
      else
        spent = spent + fields[f + 1]
        slots[#slots + 1] = {slot, tonumber(fields[f + 1])}
      end
    end
  end
  local missing = spent + least - quantity
  table.sort(slots, function(one, other) return one[1] < other[1] end)
  for n, slot in ipairs(slots) do
    if missing > 0 then wait = math.max(wait, (slot[1] + 25) * width - now) end
    missing = missing - slot[2]
  end
  room = math.min(room, math.max(quantity - spent, 0))
  wait = math.max(wait, untils[k] - now)
end
if wait > 0 or room < least then return {0, room, math.ceil(wait), now} end
local granted = math.min(amount, room)
for k, key in ipairs(KEYS) do
  local window = tonumber(ARGV[2 * k + 2])
  redis.call('HINCRBY', key, ARGV[2 * k + 2] .. ':' .. math.floor(now / (window / 24)), granted)
  redis.call('PEXPIRE', key, math.ceil(math.max(2 * window, untils[k] - now)))
end
return {granted, room - granted, 0, now}
"""
PAUSE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now + ARGV[1] > tonumber(redis.call('HGET', KEYS[1], 'until') or 0) then
  redis.call('HSET', KEYS[1], 'until', now + ARGV[1])
  redis.call('PEXPIRE', KEYS[1], math.max(redis.call('PTTL', KEYS[1]), ARGV[1]))
end
"""
# ARGV: a member, ttl in ms. Marks it with the server's clock (ms) under each key, which keeps the two marked last.
MARK = """
local time = redis.call('TIME')
for _, key in ipairs(KEYS) do
  redis.call('ZADD', key, time[1] * 1000 + math.floor(time[2] / 1000), ARGV[1])
  redis.call('ZREMRANGEBYRANK', key, 0, -3)
  redis.call('PEXPIRE', key, ARGV[2])
end
"""
MARKS = """
local time = redis.call('TIME')
local answer = {time[1] * 1000 + math.floor(time[2] / 1000)}
for i, key in ipairs(KEYS) do answer[i + 1] = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end
return answer
"""
PROLONG = "for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, ARGV[1]) end"
# ARGV: value, how many to keep, ttl in ms. Puts the value in front and tells which ones fell out.
KEEP_NEWEST = """
redis.call('LREM', KEYS[1], 0, ARGV[1])
redis.call('LPUSH', KEYS[1], ARGV[1])
local over = redis.call('LRANGE', KEYS[1], ARGV[2], -1)
redis.call('LTRIM', KEYS[1], 0, ARGV[2] - 1)
redis.call('PEXPIRE', KEYS[1], math.max(redis.call('PTTL', KEYS[1]), ARGV[3]))
return over
"""
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"

# ARGV: what has to be there ('' for nothing), what is there then, ttl in seconds.
REPLACE = """
if (redis.call('GET', KEYS[1]) or '') == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) end
redis.call('EXPIRE', KEYS[1], ARGV[3])
return redis.call('GET', KEYS[1]) or ''
"""
