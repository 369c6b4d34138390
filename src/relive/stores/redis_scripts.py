"""What Redis does for a `RedisStore`, each script in one step; the rules are those of `record.Record`.

A session is a hash: ``c`` the checkpoint, ``x`` when it runs out, ``e`` and ``s`` its generation; ``o`` who owns it,
``n`` under which epoch, ``u`` until when, ``t`` for how long; ``d:…`` tombstones, and when they fall. Times are in
milliseconds, by the server's clock.
"""

from __future__ import annotations

from typing import Final

from relive.stores.record import MEMORY

_MEMORY: Final = int(MEMORY * 1000)

_COMMON: Final = f"""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function whole(number) return string.format('%.0f', number) end
local function known(...)
  local values = redis.call('HMGET', KEYS[1], ...)
  for i = 1, #values do values[i] = tonumber(values[i] or '0') end
  return unpack(values)
end
local function is_of(owner, epoch)
  local values = redis.call('HMGET', KEYS[1], 'o', 'n')
  return values[1] == owner and values[2] == epoch
end
local function keep(ttl)
  local room = ttl + {_MEMORY}
  if redis.call('PTTL', KEYS[1]) < room then redis.call('PEXPIRE', KEYS[1], whole(room)) end
end
"""

READ: Final = f"{_COMMON}return {{now, redis.call('HGETALL', KEYS[1])}}"

SAVE: Final = f"""{_COMMON}
local epoch, sequence, ttl = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local newest, last, claimed = known('e', 's', 'n')
if epoch < claimed or epoch < newest or (epoch == newest and sequence < last) then return 0 end
redis.call('HSET', KEYS[1], 'c', ARGV[1], 'e', ARGV[2], 's', ARGV[3], 'x', whole(now + ttl))
keep(ttl)
return 1
"""

CONDEMN: Final = f"""{_COMMON}
local ttl = tonumber(ARGV[2])
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(name, 1, 2) == 'd:' and tonumber(redis.call('HGET', KEYS[1], name)) + {_MEMORY} <= now then
    redis.call('HDEL', KEYS[1], name)
  end
end
local falls = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
redis.call('HSET', KEYS[1], ARGV[1], whole(math.max(falls, now + ttl)))
keep(ttl)
"""

CLAIM: Final = f"""{_COMMON}
local owner, ttl = ARGV[1], tonumber(ARGV[2])
local holder = redis.call('HGET', KEYS[1], 'o') or ''
local newest, claimed, owned_until, term = known('e', 'n', 'u', 't')
local left = owned_until - now
if holder ~= '' and holder ~= owner and left > 0 and left <= 2 * term then
  return {{holder, claimed, math.min(left, term)}}
end
local epoch = math.max(claimed + 1, newest + 1, now)
redis.call('HSET', KEYS[1], 'o', owner, 'n', whole(epoch), 'u', whole(now + ttl), 't', ARGV[2])
keep(ttl)
return {{owner, epoch, ttl}}
"""

RENEW: Final = f"""{_COMMON}
local ttl = tonumber(ARGV[3])
if not is_of(ARGV[1], ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], 'u', whole(now + ttl), 't', ARGV[3])
keep(ttl)
return 1
"""

RELEASE: Final = f"""{_COMMON}
if is_of(ARGV[1], ARGV[2]) then redis.call('HSET', KEYS[1], 'o', '') end
"""
