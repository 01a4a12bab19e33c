-- Views: which shows want hosts, and sums for people to look at.

-- A show is listed only while one of its jobs has a waiting frame and room for a whole core under its own cap.
create view vs_waiting as
select job.pk_show
from job
join job_resource using (pk_job)
join job_stat using (pk_job)
where job.str_state = 'PENDING'
  and job.b_paused = false
  and job_resource.int_max_cores - job_resource.int_cores >= 100
  and job_stat.int_waiting_count <> 0
group by job.pk_show;

create view vs_show_resource as
select job.pk_show, sum(job_resource.int_cores) as int_cores, sum(job_resource.int_gpus) as int_gpus
from job
join job_resource using (pk_job)
where job.str_state = 'PENDING'
group by job.pk_show;

create view vs_show_stat as
select job.pk_show,
       sum(int_waiting_count + int_depend_count) as int_pending_count,
       sum(int_running_count) as int_running_count,
       sum(int_dead_count) as int_dead_count,
       count(*) as int_job_count
from job
join job_stat using (pk_job)
where job.str_state = 'PENDING'
group by job.pk_show;

create view vs_job_resource as
select job.pk_job,
       count(proc.pk_proc) as int_procs,
       coalesce(sum(proc.int_cores_reserved), 0) as int_cores,
       coalesce(sum(proc.int_gpus_reserved), 0) as int_gpus,
       coalesce(sum(proc.int_mem_reserved), 0) as int_mem_reserved
from job
left join proc using (pk_job)
group by job.pk_job;

create view vs_folder_counts as
select folder.pk_folder,
       coalesce(sum(int_depend_count), 0) as int_depend_count,
       coalesce(sum(int_waiting_count), 0) as int_waiting_count,
       coalesce(sum(int_running_count), 0) as int_running_count,
       coalesce(sum(int_dead_count), 0) as int_dead_count,
       coalesce(sum(int_cores), 0) as int_cores,
       coalesce(sum(int_gpus), 0) as int_gpus,
       count(job.pk_job) as int_job_count
from folder
left join job on job.pk_folder = folder.pk_folder and job.str_state = 'PENDING'
left join job_stat on job_stat.pk_job = job.pk_job
left join job_resource on job_resource.pk_job = job.pk_job
group by folder.pk_folder;

create view vs_alloc_usage as
select alloc.pk_alloc,
       coalesce(sum(host.int_cores), 0) as int_cores,
       coalesce(sum(host.int_cores_idle), 0) as int_idle_cores,
       coalesce(sum(host.int_cores - host.int_cores_idle), 0) as int_running_cores,
       coalesce(sum(host.int_cores) filter (where host.str_lock_state in ('LOCKED', 'NIMBY_LOCKED')), 0) as int_locked_cores,
       coalesce(sum(host.int_cores_idle) filter (where host.str_lock_state = 'OPEN' and host_stat.str_state = 'UP'), 0)
           as int_available_cores,
       coalesce(sum(host.int_gpus), 0) as int_gpus,
       coalesce(sum(host.int_gpus_idle), 0) as int_idle_gpus,
       coalesce(sum(host.int_gpus - host.int_gpus_idle), 0) as int_running_gpus,
       coalesce(sum(host.int_gpus) filter (where host.str_lock_state in ('LOCKED', 'NIMBY_LOCKED')), 0) as int_locked_gpus,
       coalesce(sum(host.int_gpus_idle) filter (where host.str_lock_state = 'OPEN' and host_stat.str_state = 'UP'), 0)
           as int_available_gpus,
       count(host.pk_host) as int_hosts,
       count(*) filter (where host.str_lock_state = 'LOCKED') as int_locked_hosts,
       count(*) filter (where host_stat.str_state = 'DOWN') as int_down_hosts
from alloc
left join host on host.pk_alloc = alloc.pk_alloc
left join host_stat on host_stat.pk_host = host.pk_host
group by alloc.pk_alloc;

-- The history of one period, which is the only row of history_period. Layers go by the date of their job.
create view v_history_frame as
select fh.pk_frame_history, fh.pk_frame, fh.pk_layer, fh.pk_job, fh.str_name, fh.str_state,
       fh.int_mem_reserved, fh.int_mem_max_used, fh.int_cores,
       fh.int_gpu_mem_reserved, fh.int_gpu_mem_max_used, fh.int_gpus,
       fh.str_host, fh.int_exit_status,
       alloc.str_name as str_alloc_name, alloc.b_billable as b_alloc_billable,
       facility.str_name as str_facility_name,
       fh.int_ts_started, fh.int_ts_stopped, fh.int_checkpoint_count,
       null::text as str_show_name,
       fh.dt_last_modified
from frame_history fh
join job_history jh on jh.pk_job = fh.pk_job
left join alloc on alloc.pk_alloc = fh.pk_alloc
left join facility on facility.pk_facility = alloc.pk_facility
where fh.dt_last_modified >= (select dt_begin from history_period)
  and fh.dt_last_modified < (select dt_end from history_period);

-- A job that has not stopped belongs to every period.
create view v_history_job as
select jh.pk_job, jh.str_name, jh.str_shot, jh.str_user,
       jh.int_core_time_success, jh.int_core_time_fail, jh.int_gpu_time_success, jh.int_gpu_time_fail,
       jh.int_frame_count, jh.int_layer_count, jh.int_waiting_count, jh.int_dead_count,
       jh.int_depend_count, jh.int_eaten_count, jh.int_succeeded_count, jh.int_running_count,
       jh.int_max_rss, jh.int_gpu_mem_max, jh.b_archived,
       facility.str_name as str_facility_name, dept.str_name as str_dept_name,
       jh.int_ts_started, jh.int_ts_stopped, show.str_name as str_show_name, jh.dt_last_modified
from job_history jh
join show on show.pk_show = jh.pk_show
join facility on facility.pk_facility = jh.pk_facility
join dept on dept.pk_dept = jh.pk_dept
where jh.dt_last_modified >= (select dt_begin from history_period) or jh.int_ts_stopped = 0;

create view v_history_layer as
select lh.pk_layer, lh.pk_job, lh.str_name, lh.str_type,
       lh.int_cores_min, lh.int_mem_min, lh.int_gpus_min, lh.int_gpu_mem_min,
       lh.int_core_time_success, lh.int_core_time_fail, lh.int_gpu_time_success, lh.int_gpu_time_fail,
       lh.int_frame_count, lh.int_layer_count, lh.int_waiting_count, lh.int_dead_count,
       lh.int_depend_count, lh.int_eaten_count, lh.int_succeeded_count, lh.int_running_count,
       lh.int_max_rss, lh.int_gpu_mem_max, lh.b_archived, lh.str_services,
       show.str_name as str_show_name, lh.dt_last_modified
from layer_history lh
join job_history jh on jh.pk_job = lh.pk_job
join show on show.pk_show = jh.pk_show
where jh.dt_last_modified >= (select dt_begin from history_period)
  and jh.dt_last_modified < (select dt_end from history_period);
