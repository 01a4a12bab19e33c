-- Books the amounts on the job's department in its show.
UPDATE point SET int_cores = int_cores + $3, int_gpus = int_gpus + $4 WHERE pk_dept = $1 AND pk_show = $2
