-- allocations: the names of all allocations. A name has its facility in it.
SELECT a.pk_alloc, a.str_name
FROM alloc a
