-- Sets the core cap of a job, in centicores.
UPDATE job_resource SET int_max_cores = $2 WHERE pk_job = $1
