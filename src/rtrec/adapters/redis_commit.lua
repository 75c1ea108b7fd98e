-- The fenced commit: verdicts in the order of rtrec.ports (sqlite_store.judge is the same in Python), then all writes.
-- Nothing is written before the verdict; the first write is one that a full or demoted server refuses.
--
-- KEYS: meta, rank, changed, classes, then one hash of records per class that is written
-- ARGV: epoch, inputs, {topic, first, next} * inputs,
--       then per hash: its class, 2 * puts, {field, value} * puts, deletes, {field} * deletes,
--       then 2 * ranks, {score, member} * ranks, removals, {member} * removals

local ARGUMENTS = 4000 -- of one call: unpack takes 8,000 at most; even, so that pairs stay together
local meta, rank, changed, classes = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local at = 1

local function take()
  at = at + 1
  return ARGV[at - 1]
end

local function calls(command, key)
  local last = tonumber(take()) + at - 1
  for first = at, last, ARGUMENTS do
    redis.call(command, key, unpack(ARGV, first, math.min(first + ARGUMENTS - 1, last)))
  end
  at = last + 1
end

local epoch = take()
local spans, fields = {}, {'epoch'}
for number = 1, tonumber(take()) do
  local topic, first, next = 'next:' .. take(), tonumber(take()), take()
  spans[number] = {topic = topic, first = first, next = tonumber(next), text = next}
  fields[number + 1] = topic
end

local stored = redis.call('HMGET', meta, unpack(fields))
if tonumber(epoch) < tonumber(stored[1] or 0) then return 'fenced' end
local read, behind, gap, overlap = false, true, false, false
for number, span in ipairs(spans) do
  local stands = tonumber(stored[number + 1] or 0)
  read = read or span.first ~= span.next
  behind = behind and span.next <= stands
  gap = gap or span.first > stands
  overlap = overlap or span.first < stands
end
if read and behind then return 'duplicate' end
if read and gap then return 'gap' end
if read and overlap then return 'overlap' end

local commit = string.format('%d', redis.call('HINCRBY', meta, 'commits', 1))
redis.call('HSET', meta, 'epoch', epoch)
for _, span in ipairs(spans) do
  if span.next > span.first then redis.call('HSET', meta, span.topic, span.text) end
end
for number = 5, #KEYS do
  redis.call('SADD', classes, take())
  calls('HSET', KEYS[number])
  calls('HDEL', KEYS[number])
end

local first = at + 2
calls('ZADD', rank)
local written = {}
for place = first, at - 1, 2 do
  written[#written + 1] = commit
  written[#written + 1] = ARGV[place]
end
for from = 1, #written, ARGUMENTS do
  redis.call('ZADD', changed, unpack(written, from, math.min(from + ARGUMENTS - 1, #written)))
end
first = at
calls('ZREM', rank)
at = first
calls('ZREM', changed)
return 'ok'
