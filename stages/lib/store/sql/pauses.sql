-- pauses: the pauses of booking, with their age and the time that is left. They are rows of OpenCue's table of
-- switches, of which Cuebot and the triggers read keys of their own only (OPENCUE.md, Switches).
SELECT c.str_value, c.long_value - n.now_ms AS remaining_ms, greatest(n.now_ms - c.int_value, 0) AS age_ms
FROM (SELECT floor(date_part('epoch', clock_timestamp()) * 1000)::bigint AS now_ms) n
JOIN config c ON starts_with(c.str_key, 'cue_pause_') AND c.long_value > n.now_ms
ORDER BY c.str_key
LIMIT 200
