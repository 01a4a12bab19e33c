-- Sets the core cap of a folder, in centicores; -1 is none.
UPDATE folder_resource SET int_max_cores = $2 WHERE pk_folder = $1
