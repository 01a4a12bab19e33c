-- check_triggers: which of the wanted triggers are not there, or are switched off.
-- $1 tables, $2 triggers (pairwise).
SELECT want.table_name, want.trigger_name
FROM unnest($1::text[], $2::text[]) AS want(table_name, trigger_name)
WHERE NOT EXISTS (
    SELECT 1 FROM pg_trigger t
    WHERE t.tgrelid = to_regclass(want.table_name) AND t.tgname = want.trigger_name AND t.tgenabled IN ('O', 'A')
)
