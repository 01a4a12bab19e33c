-- History rows at the end of a job or a layer, and the date each of them carries.
--
-- Both ways to end, by finishing and by being deleted, write the same columns.

create type jobstattype as (
    int_core_time_success bigint,
    int_core_time_fail bigint,
    int_waiting_count bigint,
    int_dead_count bigint,
    int_depend_count bigint,
    int_eaten_count bigint,
    int_succeeded_count bigint,
    int_running_count bigint,
    int_max_rss bigint,
    int_gpu_time_success bigint,
    int_gpu_time_fail bigint,
    int_gpu_mem_max bigint
);

create type layerstattype as (
    int_cores_min bigint,
    int_mem_min bigint,
    int_core_time_success bigint,
    int_core_time_fail bigint,
    int_gpu_time_success bigint,
    int_gpu_time_fail bigint,
    int_total_count bigint,
    int_waiting_count bigint,
    int_dead_count bigint,
    int_depend_count bigint,
    int_eaten_count bigint,
    int_succeeded_count bigint,
    int_running_count bigint,
    int_max_rss bigint,
    int_gpu_mem_max bigint
);

create function history_is_off() returns boolean as $$
begin
    return exists (select 1 from config where str_key = 'DISABLE_HISTORY');
end
$$ language plpgsql;

-- Writes what a job has come to into its history. Some farms write part of these totals into their
-- neighbours' columns, so nothing outside this schema may rest on them.
create function archive_job(job_id varchar, stopped timestamp with time zone, archived boolean) returns void as $$
declare
    totals jobstattype;
begin
    select u.int_core_time_success, u.int_core_time_fail,
           s.int_waiting_count, s.int_dead_count, s.int_depend_count,
           s.int_eaten_count, s.int_succeeded_count, s.int_running_count,
           m.int_max_rss, u.int_gpu_time_success, u.int_gpu_time_fail, m.int_gpu_mem_max
    into totals
    from job_usage u
    join job_stat s using (pk_job)
    join job_mem m using (pk_job)
    where pk_job = job_id;

    update job_history
    set pk_dept = job.pk_dept,
        int_core_time_success = totals.int_core_time_success,
        int_core_time_fail = totals.int_core_time_fail,
        int_gpu_time_success = totals.int_gpu_time_success,
        int_gpu_time_fail = totals.int_gpu_time_fail,
        int_waiting_count = totals.int_waiting_count,
        int_dead_count = totals.int_dead_count,
        int_depend_count = totals.int_depend_count,
        int_eaten_count = totals.int_eaten_count,
        int_succeeded_count = totals.int_succeeded_count,
        int_running_count = totals.int_running_count,
        int_max_rss = totals.int_max_rss,
        int_gpu_mem_max = totals.int_gpu_mem_max,
        int_frame_count = job.int_frame_count,
        int_layer_count = job.int_layer_count,
        int_ts_stopped = epoch(stopped),
        b_archived = archived
    from job
    where job.pk_job = job_id and job_history.pk_job = job_id;
end
$$ language plpgsql;

create function archive_layer(layer_id varchar, archived boolean) returns void as $$
declare
    totals layerstattype;
begin
    select l.int_cores_min, l.int_mem_min,
           u.int_core_time_success, u.int_core_time_fail, u.int_gpu_time_success, u.int_gpu_time_fail,
           s.int_total_count, s.int_waiting_count, s.int_dead_count, s.int_depend_count,
           s.int_eaten_count, s.int_succeeded_count, s.int_running_count,
           m.int_max_rss, m.int_gpu_mem_max
    into totals
    from layer l
    join layer_usage u using (pk_layer)
    join layer_stat s using (pk_layer)
    join layer_mem m using (pk_layer)
    where pk_layer = layer_id;

    update layer_history
    set int_core_time_success = totals.int_core_time_success,
        int_core_time_fail = totals.int_core_time_fail,
        int_gpu_time_success = totals.int_gpu_time_success,
        int_gpu_time_fail = totals.int_gpu_time_fail,
        int_frame_count = totals.int_total_count,
        int_waiting_count = totals.int_waiting_count,
        int_dead_count = totals.int_dead_count,
        int_depend_count = totals.int_depend_count,
        int_eaten_count = totals.int_eaten_count,
        int_succeeded_count = totals.int_succeeded_count,
        int_running_count = totals.int_running_count,
        int_max_rss = totals.int_max_rss,
        int_gpu_mem_max = totals.int_gpu_mem_max,
        int_cores_min = totals.int_cores_min,
        int_mem_min = totals.int_mem_min,
        b_archived = archived
    where pk_layer = layer_id;
end
$$ language plpgsql;

create function trigger__tbiu_job_history() returns trigger as $$
begin
    new.dt_last_modified := current_date;
    return new;
end
$$ language plpgsql;

create trigger tbiu_job_history before insert or update on job_history
for each row execute procedure trigger__tbiu_job_history();

create function trigger__tbiu_layer_history() returns trigger as $$
begin
    new.dt_last_modified := current_date;
    return new;
end
$$ language plpgsql;

create trigger tbiu_layer_history before insert or update on layer_history
for each row execute procedure trigger__tbiu_layer_history();

create function trigger__tbiu_frame_history() returns trigger as $$
begin
    new.dt_last_modified := current_date;
    return new;
end
$$ language plpgsql;

create trigger tbiu_frame_history before insert or update on frame_history
for each row execute procedure trigger__tbiu_frame_history();
