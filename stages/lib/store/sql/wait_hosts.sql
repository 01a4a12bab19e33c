-- wait_hosts: locks hosts to give something back to them, waiting for the sessions that hold them.
-- $1 hosts.
SELECT h.pk_host FROM host h WHERE h.pk_host = ANY($1::text[]) ORDER BY h.pk_host FOR NO KEY UPDATE
