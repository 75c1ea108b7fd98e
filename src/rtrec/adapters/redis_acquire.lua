-- A new epoch, one above every earlier one, and all that is known of the owner.
-- KEYS: meta; gives field, value, field, value, …

redis.call('HINCRBY', KEYS[1], 'epoch', 1)
return redis.call('HGETALL', KEYS[1])
