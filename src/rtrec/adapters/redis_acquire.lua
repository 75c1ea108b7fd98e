-- A new epoch, one above every earlier one, and all that is known of the owner; nothing new for one whose last commit is
-- there in part.
-- KEYS: meta; gives field, value, field, value, …

local written = redis.call('HMGET', KEYS[1], 'commits', 'done')
if written[1] == written[2] then redis.call('HINCRBY', KEYS[1], 'epoch', 1) end
return redis.call('HGETALL', KEYS[1])
