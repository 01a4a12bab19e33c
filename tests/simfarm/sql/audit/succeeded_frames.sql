-- The frames that have ended well, to be held against the launches.
SELECT pk_frame FROM frame WHERE str_state = 'SUCCEEDED' ORDER BY pk_frame
