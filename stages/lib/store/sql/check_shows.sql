-- check_shows: the active shows, whether they are for this scheduler, whether their booking is switched
-- on (which nobody heeds), and for how many allocations
-- they have a subscription with room for a core at all.
SELECT sh.str_name, sh.b_scheduler_managed, sh.b_booking_enabled,
       (SELECT count(*) FROM subscription s WHERE s.pk_show = sh.pk_show AND s.int_burst >= 100) AS subscriptions
FROM show sh
WHERE sh.b_active
ORDER BY sh.str_name
