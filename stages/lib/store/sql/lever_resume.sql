-- lever_resume: ends the pause of a scope. Pauses whose time is over go with it.
-- $1 scope.
DELETE FROM config c
USING (SELECT floor(date_part('epoch', clock_timestamp()) * 1000)::bigint AS now_ms) n
WHERE starts_with(c.str_key, 'cue_pause_')
  AND (c.str_key = 'cue_pause_' || left(md5($1), 26) OR c.long_value <= n.now_ms)
RETURNING c.str_key = 'cue_pause_' || left(md5($1), 26) AND c.long_value > n.now_ms AS is_ended
