-- demand_subscriptions: every subscription to an allocation of the facility.
-- $1 facility name, or NULL for all of them.
SELECT s.pk_show, sh.str_name AS show_name, a.pk_facility, fa.str_name AS facility_name, s.pk_alloc, s.int_size::bigint, s.int_burst::bigint, s.int_cores::bigint
FROM subscription s
JOIN alloc a ON a.pk_alloc = s.pk_alloc
JOIN facility fa ON fa.pk_facility = a.pk_facility
JOIN show sh ON sh.pk_show = s.pk_show
WHERE $1::text IS NULL OR fa.str_name = $1
