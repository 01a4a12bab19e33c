-- Features of the schema.
SELECT to_regclass('limit_usage') IS NOT NULL AS limits_by_type,
       to_regclass('frame_history_queue') IS NOT NULL AS queued_history
