-- Deletes procs, and says what each really held: the amounts may have grown since the booking.
DELETE FROM proc p
WHERE p.pk_proc = ANY ($1::text[]) AND NOT p.b_local AND ($2 OR p.pk_frame IS NULL)
RETURNING p.pk_host, p.pk_show, p.pk_job, p.pk_layer,
          p.int_cores_reserved, p.int_mem_reserved, p.int_gpus_reserved::int8, p.int_gpu_mem_reserved
