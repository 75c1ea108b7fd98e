-- A page of a ranking: highest score first, equal scores by member.
-- ZREVRANGE gives equal scores by member descending; a group of them may go on beyond the page's ends, so those at the
-- ends, and any group inside, are read again in the other order, from the place they have within their score.
--
-- KEYS: the ranking; ARGV: skip, limit; gives member, score, member, score, …

local skip = tonumber(ARGV[1])
local rows = redis.call('ZREVRANGE', KEYS[1], skip, skip + tonumber(ARGV[2]) - 1, 'WITHSCORES')
local first = 1
while first < #rows do
  local score, last = rows[first + 1], first
  while last + 2 < #rows and tonumber(rows[last + 3]) == tonumber(score) do last = last + 2 end
  if first == 1 or last > first or last + 2 > #rows then
    local higher = redis.call('ZCOUNT', KEYS[1], '(' .. score, '+inf')
    local place, count = skip + (first - 1) / 2 - higher, (last - first) / 2 + 1
    local members = redis.call('ZRANGEBYSCORE', KEYS[1], score, score, 'LIMIT', place, count)
    for number, member in ipairs(members) do rows[first + 2 * (number - 1)] = member end
  end
  first = last + 2
end
return rows
