-- Books the amounts on the job's folder.
UPDATE folder_resource SET int_cores = int_cores + $2, int_gpus = int_gpus + $3 WHERE pk_folder = $1
