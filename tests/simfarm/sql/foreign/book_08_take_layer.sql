-- Books the amounts on the layer.
UPDATE layer_resource SET int_cores = int_cores + $2, int_gpus = int_gpus + $3 WHERE pk_layer = $1
