-- Books the amounts on the show's subscription to the host's allocation.
UPDATE subscription
SET int_cores = int_cores + $3, int_gpus = int_gpus + $4
WHERE pk_show = $1 AND pk_alloc = $2
