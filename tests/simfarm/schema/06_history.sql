-- History: one row for each job, each layer, and each run of a frame.
--
-- A run refers to its job's and layer's history rows, which triggers create with the job and the layer.
-- Deleting the history of a job takes the rest with it.

create table job_history (
    pk_job varchar(36) not null constraint c_job_history_pk primary key,
    pk_facility varchar(36) not null constraint c_job_history_pk_facility references facility (pk_facility),
    pk_dept varchar(36) not null constraint c_job_history_pk_dept references dept (pk_dept),
    pk_show varchar(36) not null constraint c_job_history_pk_show references show (pk_show),
    str_name varchar(512) not null,
    str_shot varchar(64) not null,
    str_user varchar(36) not null,
    int_core_time_success bigint not null default 0,
    int_core_time_fail bigint not null default 0,
    int_gpu_time_success bigint not null default 0,
    int_gpu_time_fail bigint not null default 0,
    int_frame_count bigint not null default 0,
    int_layer_count bigint not null default 0,
    int_waiting_count bigint not null default 0,
    int_dead_count bigint not null default 0,
    int_depend_count bigint not null default 0,
    int_eaten_count bigint not null default 0,
    int_succeeded_count bigint not null default 0,
    int_running_count bigint not null default 0,
    int_max_rss bigint not null default 0,
    int_gpu_mem_max bigint not null default 0,
    b_archived boolean not null default false,
    int_ts_started integer not null,
    int_ts_stopped integer not null default 0,
    dt_last_modified date not null
);
create index i_job_history_pk_show on job_history (pk_show);
create index i_job_history_b_archived on job_history (b_archived);
create index i_job_history_ts_start_stop on job_history (int_ts_started, int_ts_stopped);
create index i_job_history_str_name on job_history (str_name);
create index i_job_history_str_shot on job_history (str_shot);
create index i_job_history_str_user on job_history (str_user);
create index i_job_history_pk_dept on job_history (pk_dept);
create index i_job_history_pk_facility on job_history (pk_facility);

create table layer_history (
    pk_layer varchar(36) not null constraint c_layer_history_pk primary key,
    pk_job varchar(36) not null
        constraint c_layer_history_pk_job references job_history (pk_job) on delete cascade,
    str_name varchar(512) not null,
    str_type varchar(16) not null,
    str_services varchar(128),
    int_cores_min bigint not null default 100,
    int_mem_min bigint not null default 4194304,
    int_gpus_min integer not null default 0,
    int_gpu_mem_min bigint not null default 0,
    int_core_time_success bigint not null default 0,
    int_core_time_fail bigint not null default 0,
    int_gpu_time_success bigint not null default 0,
    int_gpu_time_fail bigint not null default 0,
    int_frame_count bigint not null default 0,
    int_layer_count bigint not null default 0,
    int_waiting_count bigint not null default 0,
    int_dead_count bigint not null default 0,
    int_depend_count bigint not null default 0,
    int_eaten_count bigint not null default 0,
    int_succeeded_count bigint not null default 0,
    int_running_count bigint not null default 0,
    int_max_rss bigint not null default 0,
    int_gpu_mem_max bigint not null default 0,
    b_archived boolean not null default false,
    dt_last_modified date not null
);
create index i_layer_history_str_name on layer_history (str_name);
create index i_layer_history_str_type on layer_history (str_type);
create index i_layer_history_pk_job on layer_history (pk_job);
create index i_layer_history_b_archived on layer_history (b_archived);

-- A stop time of 0 marks the run that is still open.
create table frame_history (
    pk_frame_history varchar(36) not null default uuid_generate_v1() constraint c_frame_history_pk primary key,
    pk_frame varchar(36) not null,
    pk_job varchar(36) not null
        constraint c_frame_history_pk_job references job_history (pk_job) on delete cascade,
    pk_layer varchar(36) not null
        constraint c_frame_history_pk_layer references layer_history (pk_layer) on delete cascade,
    pk_alloc varchar(36) constraint c_frame_history_pk_alloc references alloc (pk_alloc),
    str_name varchar(256) not null,
    str_state varchar(24) not null,
    str_host varchar(64) default null,
    int_cores integer not null default 100,
    int_mem_reserved bigint not null default 0,
    int_mem_max_used bigint not null default 0,
    int_gpus integer not null default 0,
    int_gpu_mem_reserved bigint not null default 0,
    int_gpu_mem_max_used bigint not null default 0,
    int_exit_status smallint not null default -1,
    int_checkpoint_count integer not null default 0,
    int_ts_started integer not null,
    int_ts_stopped integer not null default 0,
    dt_last_modified date not null
);
create index i_frame_history_ts_start_stop on frame_history (int_ts_started, int_ts_stopped);
create index i_frame_history_int_exit_stat on frame_history (int_exit_status);
create index i_frame_history_int_ts_stopped on frame_history (int_ts_stopped);
create index i_frame_history_pk_alloc on frame_history (pk_alloc);
create index i_frame_history_pk_frame on frame_history (pk_frame);
create index i_frame_history_pk_job on frame_history (pk_job);
create index i_frame_history_pk_layer on frame_history (pk_layer);
create index i_frame_history_str_state on frame_history (str_state);

-- The days that the history views show; without a row they show nothing.
create table history_period (
    pk varchar(36) not null default uuid_generate_v1() constraint c_history_period_pk primary key,
    dt_begin date not null default to_date('01-JAN-2000', 'DD-MON-YYYY'),
    dt_end date not null default current_timestamp
);
