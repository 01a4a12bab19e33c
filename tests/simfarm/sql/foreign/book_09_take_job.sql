-- Books the amounts on the job.
UPDATE job_resource SET int_cores = int_cores + $2, int_gpus = int_gpus + $3 WHERE pk_job = $1
