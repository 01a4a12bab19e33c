-- Sets the core cap of a show in an allocation, in centicores.
UPDATE subscription SET int_burst = $3 WHERE pk_show = $1 AND pk_alloc = $2
