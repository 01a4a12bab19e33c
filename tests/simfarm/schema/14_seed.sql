-- Rows that every farm has beside its schema: a setting, and the locks of maintenance.
--
-- Migrations insert some of the locks; those stay.

-- MAX_FRAME_RETRIES bounds job.int_max_retries. A row DISABLE_HISTORY, if there is one, switches history off.
insert into config (pk_config, str_key, int_value)
values (uuid_generate_v4()::text, 'MAX_FRAME_RETRIES', 16);

insert into task_lock (pk_task_lock, str_name, int_timeout)
select uuid_generate_v4()::text, seed.name, seed.timeout
from (values
    ('LOCK_HARDWARE_STATE_CHECK', 30),
    ('LOCK_HISTORICAL_TRANSFER', 3600),
    ('LOCK_ORPHANED_PROC_CHECK', 30),
    ('LOCK_TASK_UPDATE', 3600),
    ('LOCK_SUBSCRIPTION_RECALCULATION', 7200),
    ('LOCK_STUCK_DEPENDENCY_RECOVERY', 600),
    ('LOCK_ORPHANED_FRAME_CHECK', 300000)
) as seed (name, timeout)
where not exists (select from task_lock where str_name = seed.name);
