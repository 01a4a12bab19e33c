-- check_statement_triggers: the statement triggers that config/sql/statement-triggers.sql puts in place of row triggers
-- on frame, by name; none where the file was not run.
SELECT known.trigger_name, known.replaced,
       t.tgfoid IS NOT DISTINCT FROM to_regproc(known.installed)::oid AND t.tgenabled IN ('O', 'A') AS stands,
       EXISTS (
           SELECT 1 FROM pg_trigger m
           WHERE m.tgrelid = to_regclass('frame') AND m.tgfoid = to_regproc('cue_mark_frame_states')::oid
             AND m.tgenabled IN ('O', 'A')
       ) AS marked,
       EXISTS (
           SELECT 1 FROM pg_trigger r
           WHERE r.tgrelid = to_regclass('frame') AND r.tgfoid = to_regproc(known.replaced)::oid AND r.tgenabled IN ('O', 'A')
       ) AS row_trigger,
       md5(p.prosrc) IS DISTINCT FROM substring(obj_description(t.oid, 'pg_trigger') FROM 'md5 ([0-9a-f]{32})') AS outdated
FROM (VALUES
    ('frame_history_open', 'trigger__frame_history_open', 'cue_write_frame_history'),
    ('update_frame_status_counts', 'trigger__update_frame_status_counts', 'cue_count_frame_states')
) AS known(trigger_name, replaced, installed)
LEFT JOIN pg_trigger t ON t.tgrelid = to_regclass('frame') AND t.tgname = known.trigger_name
LEFT JOIN pg_proc p ON p.oid = to_regproc(known.replaced)::oid
WHERE to_regproc(known.installed) IS NOT NULL
ORDER BY known.trigger_name
