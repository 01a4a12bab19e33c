-- Marks a host as down: no report came for five minutes.
UPDATE host_stat
SET str_state = 'DOWN', ts_ping = current_timestamp - interval '301 seconds'
WHERE pk_host = $1
