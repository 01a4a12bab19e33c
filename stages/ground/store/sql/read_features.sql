-- read_features: finds which columns and tables of newer schemas the database has (contract, 14.1).
SELECT EXISTS (
           SELECT 1 FROM pg_attribute a
           WHERE a.attrelid = to_regclass('limit_record') AND a.attname = 'str_type' AND NOT a.attisdropped
       ) AND to_regclass('limit_host') IS NOT NULL AND to_regclass('limit_usage') IS NOT NULL AS limit_types,
       EXISTS (
           SELECT 1 FROM pg_attribute a
           WHERE a.attrelid = to_regclass('layer') AND a.attname = 'int_stuck_detection_llu' AND NOT a.attisdropped
       ) AS stuck_detection,
       to_regclass('frame_history_queue') IS NOT NULL AS history_queue
