-- Forget an owner but its epoch, raised by one, and the number of its commits.
-- KEYS: meta, rank, changed, classes, then every class's hash; ARGV: how many classes the caller knows.
-- Gives 0, and does nothing, where a commit has added a class since: every key must be named.

if redis.call('SCARD', KEYS[4]) ~= tonumber(ARGV[1]) then return 0 end
local stored = redis.call('HMGET', KEYS[1], 'epoch', 'commits')
local epoch, commits = string.format('%d', (stored[1] or 0) + 1), string.format('%d', (stored[2] or 0) + 1)
redis.call('HSET', KEYS[1], 'epoch', epoch)
for number = 1, #KEYS do redis.call('UNLINK', KEYS[number]) end
redis.call('HSET', KEYS[1], 'epoch', epoch, 'commits', commits, 'done', commits)
return 1
