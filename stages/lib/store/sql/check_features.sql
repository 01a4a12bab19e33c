-- check_features: finds which tables and columns of newer schemas the database has (OPENCUE.md, Schema versions).
SELECT EXISTS (
           SELECT 1 FROM pg_attribute a
           WHERE a.attrelid = to_regclass('limit_record') AND a.attname = 'str_type' AND NOT a.attisdropped
       ) AND to_regclass('limit_host') IS NOT NULL AND to_regclass('limit_usage') IS NOT NULL AS limit_types
