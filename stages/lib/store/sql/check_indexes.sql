-- check_indexes: the B-tree indexes of some tables: columns in order, as the server writes them, the
-- predicate, and the usability of the index.
-- $1 tables.
SELECT i.indisvalid AND i.indisready AS usable,
       (SELECT array_agg(pg_get_indexdef(i.indexrelid, n, true) ORDER BY n)
        FROM generate_series(1, i.indnkeyatts::int) AS n) AS columns,
       pg_get_expr(i.indpred, i.indrelid, true) AS predicate,
       -- Descending columns and NULLS FIRST have another order.
       0 = ALL (i.indoption::int[]) AS plain_order
FROM unnest($1::text[]) AS want(table_name)
JOIN pg_index i ON i.indrelid = to_regclass(want.table_name)
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_am a ON a.oid = c.relam
WHERE a.amname = 'btree'
ORDER BY want.table_name, c.relname
