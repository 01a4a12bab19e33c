-- Procs whose frame has ended and that nobody has released: a completer died in between.
SELECT pk_proc FROM proc WHERE pk_frame IS NULL AND NOT b_local ORDER BY pk_proc LIMIT $1
