-- Layers and the one-row-a-layer tables around them.

create table layer (
    pk_layer varchar(36) not null constraint c_layer_pk primary key,
    pk_job varchar(36) not null constraint c_layer_pk_job references job (pk_job),
    str_name varchar(256) not null,
    str_cmd varchar(4000) not null,
    str_range varchar(4000) not null,
    str_type varchar(16) not null,
    str_tags varchar(4000) not null default '',
    str_services varchar(128) not null default 'default',
    int_chunk_size bigint not null default 1,
    int_dispatch_order bigint not null default 1,
    int_cores_min bigint not null default 100,
    int_cores_max integer not null default 0,
    int_mem_min bigint not null default 4194304,
    int_gpus_min bigint not null default 0,
    int_gpus_max bigint not null default 0,
    int_gpu_mem_min bigint not null default 0,
    b_threadable boolean not null default true,
    b_optimize boolean not null default true,
    int_timeout integer not null default 0,
    int_timeout_llu integer not null default 0,
    ts_eligible timestamp(6) with time zone not null default current_timestamp,
    ts_start_after timestamp(6) with time zone default null,
    str_start_after_reason varchar(255) default null,
    constraint c_layer_str_name_unq unique (str_name, pk_job)
);
create index i_layer_b_threadable on layer (b_threadable);
create index i_layer_cores_mem on layer (int_cores_min, int_mem_min);
create index i_layer_cores_mem_thread on layer (int_cores_min, int_mem_min, b_threadable);
create index i_layer_mem_min on layer (int_mem_min);
create index i_layer_int_dispatch_order on layer (int_dispatch_order);
create index i_layer_pkjob on layer (pk_job);
create index i_layer_strname on layer (str_name);
create index i_layer_int_gpu_mem_min on layer (int_gpu_mem_min);
create index i_layer_cores_gpus_mem on layer (int_cores_min, int_gpus_min, int_mem_min, int_gpu_mem_min);
create index i_layer_cores_gpus_mem_thread on layer (int_cores_min, int_gpus_min, int_mem_min, int_gpu_mem_min, b_threadable);
create index i_layer_int_gpus_min on layer (int_gpus_min);
-- The same as i_layer_int_gpu_mem_min; it is here because farms pay for it.
create index i_layer_int_gpus_mem_min_1 on layer (int_gpu_mem_min);
create index i_layer_int_cores_max on layer (int_cores_max);
create index i_layer_str_tags on layer (str_tags);
-- Usable only by a query that spells this very expression.
create index idx_layer_tags_array on layer using gin (string_to_array(replace(str_tags, ' ', ''), '|'));
create index i_layer_start_after on layer (ts_start_after) where ts_start_after is not null;

create table layer_stat (
    pk_layer_stat varchar(36) not null constraint c_layerstat_pk primary key,
    pk_job varchar(36) not null constraint c_layer_stat_pk_job references job (pk_job),
    pk_layer varchar(36) not null constraint c_layer_stat_pk_layer references layer (pk_layer),
    int_total_count bigint not null default 0,
    int_waiting_count bigint not null default 0,
    int_running_count bigint not null default 0,
    int_dead_count bigint not null default 0,
    int_depend_count bigint not null default 0,
    int_eaten_count bigint not null default 0,
    int_succeeded_count bigint not null default 0,
    int_checkpoint_count bigint not null default 0,
    ts_started timestamp(6) with time zone,
    ts_stopped timestamp(6) with time zone
);
create unique index i_layer_stat_pk_layer on layer_stat (pk_layer);
create index i_layerstat_pkjob on layer_stat (pk_job);
-- Cuebot's own searches spell these two expressions.
create index i_layerstat_int_waiting_count on layer_stat (
    (case when int_waiting_count > 0 then 1 else null end),
    (case when int_waiting_count > 0 then pk_layer else null end)
);
create index idx_layer_stat_waiting on layer_stat (pk_layer) where int_waiting_count > 0;

create table layer_resource (
    pk_layer_resource varchar(36) not null constraint c_layerresource_pk primary key,
    pk_job varchar(36) not null constraint c_layer_resource_pk_job references job (pk_job),
    pk_layer varchar(36) not null
        constraint c_layerresource_uk unique
        constraint c_layer_resource_pk_layer references layer (pk_layer),
    int_cores bigint not null default 0,
    int_gpus integer not null default 0,
    int_max_rss bigint not null default 0,
    int_max_vss bigint not null default 0,
    int_max_pss bigint default 0,
    int_gpu_mem_max bigint not null default 0
);
create index i_layer_resource_pk_job on layer_resource (pk_job);

create table layer_usage (
    pk_layer_usage varchar(36) not null constraint c_layer_usage_pk primary key,
    pk_job varchar(36) not null constraint c_layer_usage_pk_job references job (pk_job),
    pk_layer varchar(36) not null
        constraint c_layer_usage_pk_layer_uk unique
        constraint c_layer_usage_pk_layer references layer (pk_layer),
    int_core_time_success bigint not null default 0,
    int_core_time_fail bigint not null default 0,
    int_gpu_time_success bigint not null default 0,
    int_gpu_time_fail bigint not null default 0,
    int_frame_success_count integer not null default 0,
    int_frame_fail_count integer not null default 0,
    int_clock_time_fail integer not null default 0,
    int_clock_time_high integer not null default 0,
    int_clock_time_low integer not null default 0,
    int_clock_time_success integer not null default 0
);
create index i_layer_usage_pk_job on layer_usage (pk_job);

create table layer_mem (
    pk_layer_mem varchar(36) not null constraint c_layer_mem_pk primary key,
    pk_job varchar(36) not null constraint c_layer_mem_pk_job references job (pk_job),
    pk_layer varchar(36) not null constraint c_layer_mem_pk_layer references layer (pk_layer),
    int_max_rss bigint not null default 0,
    int_max_vss bigint not null default 0,
    int_max_pss bigint default 0,
    int_gpu_mem_max bigint not null default 0
);
create unique index i_layer_mem_pk_layer on layer_mem (pk_layer);
create index i_layer_mem_pk_job on layer_mem (pk_job);
create index i_layer_mem_int_max_rss on layer_mem (int_max_rss);
create index i_max_pss_layer on layer_mem (int_max_pss);

create table layer_env (
    pk_layer_env varchar(36) not null constraint c_layer_env_pk primary key,
    pk_layer varchar(36) constraint c_layer_env_pk_layer references layer (pk_layer),
    pk_job varchar(36) constraint c_layer_env_pk_job references job (pk_job),
    str_key varchar(2048),
    str_value varchar(2048)
);
create index i_layer_env_pk_job on layer_env (pk_job);
create index i_layer_env_pk_layer on layer_env (pk_layer);

create table layer_output (
    pk_layer_output varchar(36) not null constraint c_pk_layer_output primary key,
    pk_layer varchar(36) not null constraint c_layer_output_pk_layer references layer (pk_layer),
    pk_job varchar(36) not null constraint c_layer_output_pk_job references job (pk_job),
    str_filespec varchar(2048) not null,
    ser_order serial not null
);
create index i_layer_output_pk_layer on layer_output (pk_layer);
create index i_layer_output_pk_job on layer_output (pk_job);
create unique index i_layer_output_unique on layer_output (pk_layer, str_filespec);

-- Unkeyed like limit_record: a pair can occur twice, and then counts once.
create table layer_limit (
    pk_layer_limit varchar(36) not null,
    pk_layer varchar(36) not null,
    pk_limit_record varchar(36) not null
);
create index i_layer_limit_pk_layer on layer_limit (pk_layer);
create index i_layer_limit_pk_limit_record on layer_limit (pk_limit_record);
