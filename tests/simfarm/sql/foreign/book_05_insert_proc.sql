-- Puts the frame on the host.
INSERT INTO proc (pk_proc, pk_host, pk_show, pk_job, pk_layer, pk_frame, int_cores_reserved,
                  int_mem_reserved, int_mem_pre_reserved, int_mem_used,
                  int_gpus_reserved, int_gpu_mem_reserved, int_gpu_mem_pre_reserved, int_gpu_mem_used, b_local)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, 262144, $9, $10, $10, 0, false)
