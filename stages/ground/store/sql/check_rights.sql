-- check_rights: which of the wanted rights on tables we do not have. Tables that are not there are
-- left out: the statements that need them say so.
-- $1 tables, $2 rights (pairwise).
SELECT want.table_name, array_agg(want.privilege ORDER BY want.place) AS missing
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS want(table_name, privilege, place)
WHERE has_table_privilege(to_regclass(want.table_name), want.privilege) = false
GROUP BY want.table_name
ORDER BY min(want.place)
