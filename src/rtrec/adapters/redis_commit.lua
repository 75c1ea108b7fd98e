-- The fenced commit: verdicts in the order of rtrec.ports (sqlite_store.judge is the same in Python), then all writes.
-- Nothing is written before the verdict, and the first write is one that a full or demoted server refuses. It sets
-- `commits`, the last one `done`: they differ where a server has loaded a part of a commit (redis_store, *Durability*).
--
-- KEYS: meta, rank, changed, classes, then one hash of records per class that is written
-- ARGV: in MessagePack: epoch, {{topic, first, next}, …}, {{class, {field put, …}, {field deleted, …}}, …},
--       {score, member, score, member, …}, {member removed, …}, scores as text;
--       then the values of the fields put, in order: Lua hashes every byte of a string that it makes, so each is made once

local ARGUMENTS = 4000 -- of one call: unpack takes 8,000 at most; even, so that pairs stay together
local meta, rank, changed, classes = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local epoch, inputs, records, ranks, removals = unpack(cmsgpack.unpack(ARGV[1]))

local function calls(command, key, arguments)
  for first = 1, #arguments, ARGUMENTS do
    redis.call(command, key, unpack(arguments, first, math.min(first + ARGUMENTS - 1, #arguments)))
  end
end

local fields = {'epoch', 'commits'}
for number, input in ipairs(inputs) do fields[number + 2] = 'next:' .. input[1] end
local stored = redis.call('HMGET', meta, unpack(fields))
if epoch < tonumber(stored[1] or 0) then return 'fenced' end
local read, behind, gap, overlap = false, true, false, false
for number, input in ipairs(inputs) do
  local first, next, stands = input[2], input[3], tonumber(stored[number + 2] or 0)
  read = read or first ~= next
  behind = behind and next <= stands
  gap = gap or first > stands
  overlap = overlap or first < stands
end
if read and behind then return 'duplicate' end
if read and gap then return 'gap' end
if read and overlap then return 'overlap' end

local commit = string.format('%d', tonumber(stored[2] or 0) + 1) -- a number would be turned into text at each use
redis.call('HSET', meta, 'epoch', epoch, 'commits', commit)
local value = 1
for number, record in ipairs(records) do
  local class, puts, deletes = unpack(record)
  local pairs_ = {}
  for place, field in ipairs(puts) do
    value = value + 1
    pairs_[2 * place - 1] = field
    pairs_[2 * place] = ARGV[value]
  end
  redis.call('SADD', classes, class)
  calls('HSET', KEYS[4 + number], pairs_)
  calls('HDEL', KEYS[4 + number], deletes)
end

calls('ZADD', rank, ranks)
for place = 1, #ranks, 2 do ranks[place] = commit end
calls('ZADD', changed, ranks)
calls('ZREM', rank, removals)
calls('ZREM', changed, removals)

local last = {'done', commit}
for _, input in ipairs(inputs) do
  if input[3] > input[2] then
    last[#last + 1] = 'next:' .. input[1]
    last[#last + 1] = input[3]
  end
end
redis.call('HSET', meta, unpack(last))
return 'ok'
