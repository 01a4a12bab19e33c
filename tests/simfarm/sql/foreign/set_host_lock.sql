-- Locks a host for new frames, or opens it; what runs there goes on.
UPDATE host SET str_lock_state = $2, str_lock_source = $3 WHERE pk_host = $1
