-- check_schema: the newest migration of OpenCue that this schema has, as Flyway wrote it down and as tables and
-- columns show it. Flyway's table may be missing, or not be ours to read, so it is read by a text that
-- is run only where it can be.
SELECT CASE WHEN has_table_privilege(to_regclass('flyway_schema_history'), 'SELECT') THEN
           substring(query_to_xml(
               'SELECT version FROM flyway_schema_history WHERE success AND version ~ ''^[0-9]+([.][0-9]+)*$''
                ORDER BY string_to_array(version, ''.'')::int[] DESC LIMIT 1', true, false, '')::text
               FROM '<version>([0-9.]+)</version>')
       END AS migration,
       (SELECT max(mark.version)
        FROM (VALUES (45, 'show', 'b_scheduler_managed'), (47, 'layer', 'ts_start_after'),
                     (48, 'layer', 'int_stuck_detection_llu'), (49, 'limit_record', 'str_type'),
                     (50, 'frame_history_queue', NULL), (51, 'i_frame_layer_dispatch_waiting', NULL))
             AS mark(version, relation, name)
        WHERE to_regclass(mark.relation) IS NOT NULL
          AND (mark.name IS NULL OR EXISTS (
              SELECT 1 FROM pg_attribute a
              WHERE a.attrelid = to_regclass(mark.relation) AND a.attname = mark.name AND NOT a.attisdropped))) AS by_objects,
       EXISTS (
           SELECT 1 FROM pg_attribute a
           WHERE a.attrelid = to_regclass('layer') AND a.attname = 'int_slots_required' AND NOT a.attisdropped
       ) AS slots
