-- Statement triggers in place of two row triggers of OpenCue on `frame` (config/guides/statement-triggers.md).
--
-- The scheduler never runs this file. It needs the owner of `frame` and locks `frame` for a moment; if the lock cannot
-- be acquired within two seconds, nothing is changed. It can be run again, and statement-triggers-undo.sql takes it back.
--
-- The new triggers have the names of those that they replace, so that the two never stand side by side, also if a
-- migration creates the old one again. OpenCue's functions stay as they are. The comment of each trigger keeps the
-- digest of the function that it replaces, and `cue-scheduler check` warns when that function has changed since.

BEGIN;
SET LOCAL lock_timeout = '2s';
LOCK TABLE frame IN ACCESS EXCLUSIVE MODE;

-- Refuses a schema whose counters or whose function this file does not know.
DO $do$
DECLARE
    stat text;
    counters text[];
    body text;
BEGIN
    FOREACH stat IN ARRAY ARRAY['layer_stat', 'job_stat'] LOOP
        SELECT array_agg(a.attname::text ORDER BY a.attname::text COLLATE "C") INTO counters
        FROM pg_attribute a
        WHERE a.attrelid = to_regclass(stat) AND NOT a.attisdropped AND a.attname ~ '^int_.*_count$'
          AND a.attname <> 'int_total_count';
        IF counters IS DISTINCT FROM ARRAY['int_checkpoint_count', 'int_dead_count', 'int_depend_count',
            'int_eaten_count', 'int_running_count', 'int_succeeded_count', 'int_waiting_count'] THEN
            RAISE EXCEPTION 'unknown counters in %: %', stat, counters;
        END IF;
    END LOOP;
    SELECT p.prosrc INTO body FROM pg_proc p WHERE p.oid = to_regproc('trigger__update_frame_status_counts');
    IF body IS NULL OR body !~ 'ts_started' OR body !~ 'ts_stopped' THEN
        RAISE EXCEPTION 'trigger__update_frame_status_counts() is missing or older than version 43 of the schema';
    END IF;
END
$do$;

-- Marks the transaction as one that changes states of frames. Most updates of a frame change none, and the statement
-- triggers end at once without the mark. It has no WHEN clause, because compiling one costs more than the call.
CREATE OR REPLACE FUNCTION cue_mark_frame_states() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF OLD.str_state <> NEW.str_state THEN
        PERFORM set_config('cue.frame_states', 'changed', true);
    END IF;
    RETURN NULL;
END
$body$;

-- Counts frames by state and stamps the times of their layers, as if the changed frames were counted one after the
-- other in the order in which the statement wrote them. A frame that leaves SETUP is not counted.
-- The joins of old and new rows are full joins because these are never nested loops: a plan that was made for one row
-- is kept, and would compare every row of a large statement with every other.
CREATE OR REPLACE FUNCTION cue_count_frame_states() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
    states CONSTANT text[] := ARRAY['CHECKPOINT', 'DEAD', 'DEPEND', 'EATEN', 'RUNNING', 'SUCCEEDED', 'WAITING'];
    one record;
    change record;
BEGIN
    IF current_setting('cue.frame_states', true) IS DISTINCT FROM 'changed' THEN
        RETURN NULL;
    END IF;
    -- The last columns are those of the changed frame if there is only one.
    SELECT count(*) AS changed, array_agg(DISTINCT n.pk_layer) AS layers, array_agg(DISTINCT n.pk_job) AS jobs,
           bool_and(o.str_state = ANY (states) AND n.str_state = ANY (states)) AS known,
           min(o.str_state) AS old_state, min(n.str_state) AS new_state,
           min(n.ts_started) AS ts_started, min(n.ts_stopped) AS ts_stopped
    INTO one
    FROM new_frames n
    FULL JOIN old_frames o ON o.pk_frame = n.pk_frame
    WHERE n.str_state IS DISTINCT FROM o.str_state AND coalesce(o.str_state, 'SETUP') <> 'SETUP';

    IF one.changed = 0 THEN
        RETURN NULL;
    ELSIF NOT one.known THEN
        RAISE undefined_column USING MESSAGE = 'no counter for the state of a frame';
    ELSIF one.changed = 1 THEN
        UPDATE layer_stat
        SET int_checkpoint_count = int_checkpoint_count + (one.new_state = 'CHECKPOINT')::int - (one.old_state = 'CHECKPOINT')::int,
            int_dead_count = int_dead_count + (one.new_state = 'DEAD')::int - (one.old_state = 'DEAD')::int,
            int_depend_count = int_depend_count + (one.new_state = 'DEPEND')::int - (one.old_state = 'DEPEND')::int,
            int_eaten_count = int_eaten_count + (one.new_state = 'EATEN')::int - (one.old_state = 'EATEN')::int,
            int_running_count = int_running_count + (one.new_state = 'RUNNING')::int - (one.old_state = 'RUNNING')::int,
            int_succeeded_count = int_succeeded_count + (one.new_state = 'SUCCEEDED')::int - (one.old_state = 'SUCCEEDED')::int,
            int_waiting_count = int_waiting_count + (one.new_state = 'WAITING')::int - (one.old_state = 'WAITING')::int,
            ts_started = CASE WHEN one.new_state = 'RUNNING'
                THEN coalesce(ts_started, one.ts_started, current_timestamp) ELSE ts_started END,
            ts_stopped = CASE WHEN one.old_state = 'RUNNING'
                THEN coalesce(one.ts_stopped, current_timestamp) ELSE ts_stopped END
        WHERE pk_layer = one.layers[1];
        UPDATE job_stat
        SET int_checkpoint_count = int_checkpoint_count + (one.new_state = 'CHECKPOINT')::int - (one.old_state = 'CHECKPOINT')::int,
            int_dead_count = int_dead_count + (one.new_state = 'DEAD')::int - (one.old_state = 'DEAD')::int,
            int_depend_count = int_depend_count + (one.new_state = 'DEPEND')::int - (one.old_state = 'DEPEND')::int,
            int_eaten_count = int_eaten_count + (one.new_state = 'EATEN')::int - (one.old_state = 'EATEN')::int,
            int_running_count = int_running_count + (one.new_state = 'RUNNING')::int - (one.old_state = 'RUNNING')::int,
            int_succeeded_count = int_succeeded_count + (one.new_state = 'SUCCEEDED')::int - (one.old_state = 'SUCCEEDED')::int,
            int_waiting_count = int_waiting_count + (one.new_state = 'WAITING')::int - (one.old_state = 'WAITING')::int
        WHERE pk_job = one.jobs[1];
        RETURN NULL;
    END IF;

    -- Layers before jobs, each in the order of its key, by statements that are planned for the tables of the moment.
    EXECUTE 'SELECT FROM layer_stat WHERE pk_layer = ANY ($1) ORDER BY pk_layer_stat FOR NO KEY UPDATE' USING one.layers;
    EXECUTE 'SELECT FROM job_stat WHERE pk_job = ANY ($1) ORDER BY pk_job_stat FOR NO KEY UPDATE' USING one.jobs;
    FOR change IN
        SELECT c.pk_layer, c.pk_job,
               count(*) FILTER (WHERE c.new_state = 'CHECKPOINT') - count(*) FILTER (WHERE c.old_state = 'CHECKPOINT') AS checkpoint,
               count(*) FILTER (WHERE c.new_state = 'DEAD') - count(*) FILTER (WHERE c.old_state = 'DEAD') AS dead,
               count(*) FILTER (WHERE c.new_state = 'DEPEND') - count(*) FILTER (WHERE c.old_state = 'DEPEND') AS depend,
               count(*) FILTER (WHERE c.new_state = 'EATEN') - count(*) FILTER (WHERE c.old_state = 'EATEN') AS eaten,
               count(*) FILTER (WHERE c.new_state = 'RUNNING') - count(*) FILTER (WHERE c.old_state = 'RUNNING') AS running,
               count(*) FILTER (WHERE c.new_state = 'SUCCEEDED') - count(*) FILTER (WHERE c.old_state = 'SUCCEEDED') AS succeeded,
               count(*) FILTER (WHERE c.new_state = 'WAITING') - count(*) FILTER (WHERE c.old_state = 'WAITING') AS waiting,
               (array_agg(coalesce(c.ts_started, current_timestamp) ORDER BY c.place)
                   FILTER (WHERE c.new_state = 'RUNNING'))[1] AS first_started,
               (array_agg(coalesce(c.ts_stopped, current_timestamp) ORDER BY c.place DESC)
                   FILTER (WHERE c.old_state = 'RUNNING'))[1] AS last_stopped
        FROM (
            SELECT n.place, n.pk_layer, n.pk_job, o.str_state AS old_state, n.str_state AS new_state,
                   n.ts_started, n.ts_stopped
            FROM (SELECT row_number() OVER () AS place, f.* FROM new_frames f) n
            FULL JOIN old_frames o ON o.pk_frame = n.pk_frame
            WHERE n.str_state IS DISTINCT FROM o.str_state AND coalesce(o.str_state, 'SETUP') <> 'SETUP'
        ) c
        GROUP BY GROUPING SETS ((c.pk_layer), (c.pk_job))
    LOOP
        IF change.pk_job IS NULL THEN
            UPDATE layer_stat
            SET int_checkpoint_count = int_checkpoint_count + change.checkpoint,
                int_dead_count = int_dead_count + change.dead,
                int_depend_count = int_depend_count + change.depend,
                int_eaten_count = int_eaten_count + change.eaten,
                int_running_count = int_running_count + change.running,
                int_succeeded_count = int_succeeded_count + change.succeeded,
                int_waiting_count = int_waiting_count + change.waiting,
                ts_started = coalesce(ts_started, change.first_started),
                ts_stopped = coalesce(change.last_stopped, ts_stopped)
            WHERE pk_layer = change.pk_layer;
        ELSE
            UPDATE job_stat
            SET int_checkpoint_count = int_checkpoint_count + change.checkpoint,
                int_dead_count = int_dead_count + change.dead,
                int_depend_count = int_depend_count + change.depend,
                int_eaten_count = int_eaten_count + change.eaten,
                int_running_count = int_running_count + change.running,
                int_succeeded_count = int_succeeded_count + change.succeeded,
                int_waiting_count = int_waiting_count + change.waiting
            WHERE pk_job = change.pk_job;
        END IF;
    END LOOP;
    RETURN NULL;
END
$body$;

-- Opens and closes runs in the history.
CREATE OR REPLACE FUNCTION cue_write_frame_history() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
    ended record;
BEGIN
    IF current_setting('cue.frame_states', true) IS DISTINCT FROM 'changed' THEN
        RETURN NULL;
    END IF;
    PERFORM FROM config WHERE str_key = 'DISABLE_HISTORY';
    IF FOUND THEN
        RETURN NULL;
    END IF;

    FOR ended IN
        SELECT n.pk_frame, n.str_state, n.int_exit_status, n.int_mem_max_used, n.int_gpu_mem_max_used
        FROM new_frames n
        FULL JOIN old_frames o ON o.pk_frame = n.pk_frame
        WHERE n.str_state IS DISTINCT FROM o.str_state AND coalesce(o.str_state, '') = 'RUNNING'
    LOOP
        -- A launch that never happened is no run.
        IF ended.int_exit_status = 299 THEN
            EXECUTE 'DELETE FROM frame_history WHERE pk_frame = $1 AND int_ts_stopped = 0' USING ended.pk_frame;
        ELSE
            EXECUTE 'UPDATE frame_history
                     SET int_mem_max_used = $2, int_gpu_mem_max_used = $3, int_ts_stopped = epoch(current_timestamp),
                         int_exit_status = $4, int_checkpoint_count = $5
                     WHERE pk_frame = $1 AND int_ts_stopped = 0'
            USING ended.pk_frame, ended.int_mem_max_used, ended.int_gpu_mem_max_used, ended.int_exit_status,
                (ended.str_state = 'CHECKPOINT')::int;
        END IF;
    END LOOP;

    INSERT INTO frame_history (pk_frame, pk_layer, pk_job, str_name, str_state, int_cores, int_mem_reserved, int_gpus,
                               int_gpu_mem_reserved, str_host, int_ts_started, pk_alloc)
    SELECT n.pk_frame, n.pk_layer, n.pk_job, n.str_name, 'RUNNING', n.int_cores, n.int_mem_reserved, n.int_gpus,
           n.int_gpu_mem_reserved, n.str_host, epoch(current_timestamp),
           (SELECT h.pk_alloc FROM host h WHERE h.str_name = n.str_host)
    FROM new_frames n
    FULL JOIN old_frames o ON o.pk_frame = n.pk_frame
    WHERE n.str_state IS DISTINCT FROM o.str_state AND coalesce(n.str_state, '') = 'RUNNING';
    RETURN NULL;
END
$body$;

DROP TRIGGER IF EXISTS cue_mark_frame_states ON frame;
CREATE TRIGGER cue_mark_frame_states AFTER UPDATE ON frame
FOR EACH ROW EXECUTE FUNCTION cue_mark_frame_states();

DROP TRIGGER IF EXISTS update_frame_status_counts ON frame;
CREATE TRIGGER update_frame_status_counts AFTER UPDATE ON frame
REFERENCING OLD TABLE AS old_frames NEW TABLE AS new_frames
FOR EACH STATEMENT EXECUTE FUNCTION cue_count_frame_states();

DO $do$
DECLARE
    replaced text[];
    body text;
BEGIN
    -- Since version 50 of the schema the history goes through a queue, whose trigger is cheap and stays.
    IF to_regclass('frame_history_queue') IS NULL THEN
        DROP TRIGGER IF EXISTS frame_history_open ON frame;
        CREATE TRIGGER frame_history_open AFTER UPDATE ON frame
        REFERENCING OLD TABLE AS old_frames NEW TABLE AS new_frames
        FOR EACH STATEMENT EXECUTE FUNCTION cue_write_frame_history();
    ELSE
        DROP FUNCTION IF EXISTS cue_write_frame_history();
    END IF;
    FOREACH replaced SLICE 1 IN ARRAY ARRAY[
        ['update_frame_status_counts', 'trigger__update_frame_status_counts', 'cue_count_frame_states'],
        ['frame_history_open', 'trigger__frame_history_open', 'cue_write_frame_history']
    ] LOOP
        SELECT p.prosrc INTO STRICT body FROM pg_proc p WHERE p.oid = to_regproc(replaced[2]);
        IF to_regproc(replaced[3]) IS NOT NULL THEN
            EXECUTE format('COMMENT ON TRIGGER %I ON frame IS %L', replaced[1],
                format('statement trigger in place of %s, md5 %s', replaced[2], md5(body)));
        END IF;
    END LOOP;
END
$do$;
COMMIT;
