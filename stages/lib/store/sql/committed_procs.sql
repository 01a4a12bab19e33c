-- committed_procs: which of these procs exist. Asked after a commit whose answer was lost, and
-- before a host is asked about a launch that was left open.
-- $1 procs.
SELECT pk_proc FROM proc WHERE pk_proc = ANY($1::text[])
