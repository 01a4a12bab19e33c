-- Takes statement-triggers.sql back: OpenCue's own row triggers on `frame`, with OpenCue's own functions.
--
-- It needs the owner of `frame` and locks `frame` for a moment; if the lock cannot be acquired within two seconds,
-- nothing is changed. It can be run again, and does nothing where the file was not run.

BEGIN;
SET LOCAL lock_timeout = '2s';
LOCK TABLE frame IN ACCESS EXCLUSIVE MODE;

DO $do$
DECLARE
    replaced text[];
BEGIN
    FOREACH replaced SLICE 1 IN ARRAY ARRAY[
        ['update_frame_status_counts', 'trigger__update_frame_status_counts', 'cue_count_frame_states',
         'old.str_state <> ''SETUP'' AND old.str_state <> new.str_state'],
        ['frame_history_open', 'trigger__frame_history_open', 'cue_write_frame_history',
         'new.str_state <> old.str_state']
    ] LOOP
        -- A row trigger of this name is OpenCue's already.
        PERFORM FROM pg_trigger t
        WHERE t.tgrelid = 'frame'::regclass AND t.tgname = replaced[1] AND t.tgfoid = to_regproc(replaced[3]);
        IF FOUND THEN
            EXECUTE format('DROP TRIGGER %I ON frame', replaced[1]);
            EXECUTE format('CREATE TRIGGER %I AFTER UPDATE ON frame FOR EACH ROW WHEN (%s) EXECUTE FUNCTION %I()',
                replaced[1], replaced[4], replaced[2]);
        END IF;
    END LOOP;
END
$do$;

DROP TRIGGER IF EXISTS cue_mark_frame_states ON frame;
DROP FUNCTION IF EXISTS cue_mark_frame_states();
DROP FUNCTION IF EXISTS cue_count_frame_states();
DROP FUNCTION IF EXISTS cue_write_frame_history();
COMMIT;
