-- Locks the frame if it still waits in the version that was seen; another's lock is an error at once.
SELECT pk_frame
FROM frame
WHERE pk_frame = $1 AND str_state = 'WAITING' AND int_version = $2
FOR UPDATE NOWAIT
