-- Jobs and the one-row-a-job tables around them.
--
-- The counters are split over several tables so that booking, completion and memory reports do not all
-- rewrite one wide row; triggers create the rows with the id of their job.

create table job (
    pk_job varchar(36) not null constraint c_job_pk primary key,
    pk_show varchar(36) not null constraint c_job_pk_show references show (pk_show),
    pk_folder varchar(36) not null constraint c_job_pk_folder references folder (pk_folder),
    pk_facility varchar(36) not null constraint c_job_pk_facility references facility (pk_facility),
    pk_dept varchar(36) not null constraint c_job_pk_dept references dept (pk_dept),
    str_name varchar(255) not null,
    -- The name while the job lives; cleared at the end so that it can be used again.
    str_visible_name varchar(255) constraint c_job_uk unique,
    str_shot varchar(64) not null,
    str_user varchar(32) not null,
    str_state varchar(16) not null,
    str_log_dir varchar(4000) not null default '',
    int_uid bigint,
    b_paused boolean not null default false,
    b_autoeat boolean not null default false,
    int_frame_count integer not null default 0,
    int_layer_count integer not null default 0,
    int_max_retries smallint not null default 3,
    b_auto_book boolean not null default true,
    b_auto_unbook boolean not null default true,
    b_comment boolean not null default false,
    str_email varchar(256),
    ts_started timestamp(6) with time zone not null default current_timestamp,
    ts_stopped timestamp(6) with time zone,
    ts_updated timestamp(6) with time zone not null default current_timestamp,
    ts_eligible timestamp(6) with time zone not null default current_timestamp,
    -- Kept from older versions; the caps that count are in job_resource.
    int_min_cores integer not null default 100,
    int_max_cores integer not null default 20000,
    int_min_gpus integer not null default 0,
    int_max_gpus integer not null default 100000,
    str_show varchar(512) not null default 'none',
    str_os varchar(12),
    str_loki_url varchar(256)
);
create index i_booking_3 on job (str_state, b_paused, pk_show, pk_facility);
create index i_job_str_os on job (str_os);
create index i_job_pk_dept on job (pk_dept);
create index i_job_pk_facility on job (pk_facility);
create index i_job_str_shot on job (str_shot);
create index i_job_pkgroup on job (pk_folder);
create index i_job_pkshow on job (pk_show);
create index i_job_str_name on job (str_name);
create index i_job_str_state on job (str_state);
create index i_job_int_min_cores on job (int_min_cores);
create index i_job_ts_updated on job (ts_updated);
create index i_job_active_pkjob on job (pk_job) where str_state <> 'FINISHED';
create index idx_job_pending_lookup on job (pk_show, pk_facility, str_state, b_paused)
    where str_state = 'PENDING' and b_paused = false;

-- Usage and caps of a job. Nearly every counter is indexed, so no update of a booking is HOT.
create table job_resource (
    pk_job_resource varchar(36) not null constraint c_job_resource_pk primary key,
    pk_job varchar(36) not null
        constraint c_job_resource_uk unique
        constraint c_job_resource_pk_job references job (pk_job),
    int_cores bigint not null default 0,
    int_min_cores integer not null default 100,
    int_max_cores integer not null default 10000,
    int_local_cores integer not null default 0,
    int_gpus integer not null default 0,
    int_min_gpus integer not null default 0,
    int_max_gpus integer not null default 100,
    int_local_gpus integer not null default 0,
    int_priority integer not null default 1,
    float_tier numeric(16, 2) not null default 0,
    int_max_rss bigint not null default 0,
    int_max_vss bigint not null default 0,
    int_max_pss bigint default 0,
    int_gpu_mem_max bigint not null default 0
);
create index i_job_resource_min_max on job_resource (int_min_cores, int_max_cores);
create index i_job_tier on job_resource (float_tier);
create index i_job_resource_cores on job_resource (int_cores);
create index i_job_resource_max_c on job_resource (int_max_cores);
create index i_job_resource_gpus_min_max on job_resource (int_min_gpus, int_max_gpus);
create index i_job_resource_gpus on job_resource (int_gpus);
create index i_job_resource_max_gpus on job_resource (int_max_gpus);
create index i_job_resource_int_priority on job_resource (int_priority);

-- One column for each frame state but SETUP, named so that a trigger can build the name from the state.
create table job_stat (
    pk_job_stat varchar(36) not null constraint c_job_stat_pk primary key,
    pk_job varchar(36) not null constraint c_job_stat_pk_job references job (pk_job),
    int_waiting_count bigint not null default 0,
    int_running_count bigint not null default 0,
    int_dead_count bigint not null default 0,
    int_depend_count bigint not null default 0,
    int_eaten_count bigint not null default 0,
    int_succeeded_count bigint not null default 0,
    int_checkpoint_count bigint not null default 0
);
create index i_job_stat_int_waiting_count on job_stat (int_waiting_count);
create unique index i_job_stat_pk_job on job_stat (pk_job);

create table job_usage (
    pk_job_usage varchar(36) not null constraint c_job_usage_pk primary key,
    pk_job varchar(36) not null
        constraint c_job_usage_pk_job_uniq unique
        constraint c_job_usage_pk_job references job (pk_job),
    int_core_time_success bigint not null default 0,
    int_core_time_fail bigint not null default 0,
    int_gpu_time_success bigint not null default 0,
    int_gpu_time_fail bigint not null default 0,
    int_frame_success_count integer not null default 0,
    int_frame_fail_count integer not null default 0,
    int_clock_time_fail integer not null default 0,
    int_clock_time_high integer not null default 0,
    int_clock_time_success integer not null default 0
);

create table job_mem (
    pk_job_mem varchar(36) not null constraint c_job_mem_pk primary key,
    pk_job varchar(36) not null constraint c_job_mem_pk_job references job (pk_job),
    int_max_rss bigint not null default 0,
    int_max_vss bigint not null default 0,
    int_max_pss bigint default 0,
    int_gpu_mem_max bigint not null default 0
);
create unique index i_job_mem_pk_job on job_mem (pk_job);
create index i_job_mem_int_max_rss on job_mem (int_max_rss);
create index i_max_pss_job on job_mem (int_max_pss);

-- Nothing keeps a key from occurring twice.
create table job_env (
    pk_job_env varchar(36) not null constraint c_job_env_pk primary key,
    pk_job varchar(36) constraint c_job_env_pk_job references job (pk_job),
    str_key varchar(2048),
    str_value varchar(2048)
);
create index i_job_env_pk_job on job_env (pk_job);

create table job_post (
    pk_job_post varchar(36) not null constraint c_job_post_pk primary key,
    pk_job varchar(36) not null constraint c_job_post_pk_job references job (pk_job),
    pk_post_job varchar(36) not null constraint c_job_post_pk_post_job references job (pk_job)
);
create index i_job_post_pk_post_job on job_post (pk_post_job);
create index i_job_post_pk_job on job_post (pk_job);

-- Only Cuebot reads the relations; a scheduler sees the count on the frame and the state DEPEND.
create table depend (
    pk_depend varchar(36) not null constraint c_depend_pk primary key,
    pk_parent varchar(36),
    pk_job_depend_on varchar(36) not null,
    pk_job_depend_er varchar(36) not null,
    pk_layer_depend_on varchar(36),
    pk_layer_depend_er varchar(36),
    pk_frame_depend_on varchar(36),
    pk_frame_depend_er varchar(36),
    str_type varchar(36) not null,
    str_target varchar(20) not null default 'Internal',
    str_signature varchar(36) not null,
    b_active boolean not null default true,
    b_any boolean not null default false,
    b_composite boolean not null default false,
    ts_created timestamp(6) without time zone not null default current_timestamp,
    ts_satisfied timestamp(6) without time zone
);
create unique index i_depend_signature on depend (str_signature);
create index i_depend_on_layer on depend (pk_layer_depend_on);
create index i_depend_er_layer on depend (pk_layer_depend_er);
create index i_depend_str_target on depend (str_target);
create index i_depend_on_frame on depend (pk_frame_depend_on);
create index i_depend_str_type on depend (str_type);
create index i_depend_er_frame on depend (pk_frame_depend_er);
create index i_depend_b_composite on depend (b_composite);
create index i_depend_pkparent on depend (pk_parent);
create index i_depend_pk_on_job on depend (pk_job_depend_on);
create index i_depend_pk_er_job on depend (pk_job_depend_er);
create index i_depend_active_er_job_frame on depend (pk_job_depend_er, pk_frame_depend_er)
    where b_active = true and pk_frame_depend_er is not null;
create index i_depend_active_er_job_layer on depend (pk_job_depend_er, pk_layer_depend_er)
    where b_active = true and pk_frame_depend_er is null and pk_layer_depend_er is not null;
create index i_depend_active_er_job_only on depend (pk_job_depend_er)
    where b_active = true and pk_frame_depend_er is null and pk_layer_depend_er is null;
