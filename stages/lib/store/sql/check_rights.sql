-- check_rights: the rights that the statements and the triggers that they fire need, and which of them we
-- have. The needs are read from the texts: those of the statements, of the functions of the triggers that are
-- installed and switched on, and of the functions that these call. Triggers run with the rights of the role
-- that fires them, unless their function is SECURITY DEFINER. A table without a row here does not exist: the
-- statements that need it say so.
-- $1 texts of statements, $2 tables whose rows are locked.
WITH RECURSIVE source AS (
    SELECT 0::oid AS function, regexp_replace(own.text, '--[^\n]*', ' ', 'g') COLLATE "C" AS text
    FROM unnest($1::text[]) AS own(text)
    UNION
    SELECT p.oid, regexp_replace(regexp_replace(p.prosrc, '--[^\n]*', ' ', 'g'), '/\*.*?\*/', ' ', 'g') COLLATE "C"
    FROM source s
    CROSS JOIN LATERAL (
        SELECT t.tgfoid AS function
        FROM regexp_matches(s.text, '\m(insert|update|delete)\s+(?:into\s+|from\s+)?(?:only\s+)?([a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)?)', 'gi') AS written(m)
        JOIN pg_trigger t ON t.tgrelid = to_regclass(written.m[2]) AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
        WHERE t.tgtype & CASE lower(written.m[1]) WHEN 'insert' THEN 4 WHEN 'delete' THEN 8 ELSE 16 END <> 0
        UNION
        SELECT called.oid
        FROM regexp_matches(s.text, '\m([a-z_][a-z0-9_]*)\s*\(', 'gi') AS call(m)
        JOIN pg_proc called ON called.proname = lower(call.m[1])
        WHERE s.function <> 0
    ) found
    JOIN pg_proc p ON p.oid = found.function AND NOT p.prosecdef
    JOIN pg_language g ON g.oid = p.prolang AND g.lanname IN ('plpgsql', 'sql')
    WHERE p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
),
mentioned AS (
    SELECT to_regclass(found.m[2])::oid AS relation, regexp_replace(lower(found.m[1]), '\s.*', '') AS verb
    FROM source s
    CROSS JOIN LATERAL regexp_matches(s.text, '\m(insert\s+into|update|delete\s+from|from|join)\s+(?:only\s+)?([a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)?)', 'gi') AS found(m)
    UNION
    SELECT to_regclass(locked.name)::oid, 'update' FROM unnest($2::text[]) AS locked(name)
),
needed AS (
    SELECT c.oid AS relation, c.relkind = 'S' AS is_sequence, need.privilege
    FROM mentioned
    JOIN pg_class c ON c.oid = mentioned.relation AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
        AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
    CROSS JOIN LATERAL unnest(CASE mentioned.verb
        WHEN 'insert' THEN ARRAY['INSERT']
        -- Rows to be changed are found by what is in them.
        WHEN 'update' THEN ARRAY['SELECT', 'UPDATE']
        WHEN 'delete' THEN ARRAY['SELECT', 'DELETE']
        ELSE ARRAY['SELECT']
    END) AS need(privilege)
    UNION
    -- The sequences behind the defaults of what is inserted.
    SELECT s.oid, true, 'USAGE'
    FROM mentioned
    JOIN pg_attrdef a ON a.adrelid = mentioned.relation
    JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = a.oid AND d.refclassid = 'pg_class'::regclass
    JOIN pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'
    WHERE mentioned.verb = 'insert'
)
SELECT n.relation::regclass::text AS relation, n.is_sequence, n.privilege,
       CASE WHEN n.is_sequence THEN has_sequence_privilege(n.relation, n.privilege)
            ELSE has_table_privilege(n.relation, n.privilege) END AS held
FROM needed n
ORDER BY n.is_sequence, n.relation::regclass::text,
         array_position(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'USAGE'], n.privilege)
