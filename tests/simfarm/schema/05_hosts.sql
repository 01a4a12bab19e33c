-- Hosts, what runs on them, and who lends them.
--
-- The idle columns of `host` are the ledger of what is free; the rows of `proc` are what is taken.

create table host (
    pk_host varchar(36) not null constraint c_host_pk primary key,
    pk_alloc varchar(36) not null constraint c_host_pk_alloc references alloc (pk_alloc),
    str_name varchar(45) not null constraint c_host_uk unique,
    str_fqdn varchar(128) constraint c_str_host_fqdn_uk unique,
    str_lock_state varchar(36) not null,
    str_lock_source varchar(128),
    -- A copy of host_tag joined by spaces, rebuilt by recalculate_tags.
    str_tags varchar(128),
    int_thread_mode integer not null default 0,
    int_procs bigint not null default 0,
    int_cores bigint not null default 0,
    int_cores_idle bigint not null default 0,
    int_mem bigint not null default 0,
    int_mem_idle bigint not null default 0,
    int_gpus bigint not null default 0,
    int_gpus_idle bigint not null default 0,
    int_gpu_mem bigint not null default 0,
    int_gpu_mem_idle bigint not null default 0,
    b_nimby boolean not null default false,
    b_unlock_boot boolean not null default false,
    b_unlock_idle boolean not null default false,
    b_reboot_idle boolean not null default false,
    b_comment boolean not null default false,
    ts_created timestamp(6) without time zone not null default current_timestamp
);
create index i_host_pkalloc on host (pk_alloc);
create index i_host_strlockstate on host (str_lock_state);
create index i_host_str_tags on host (str_tags);
-- Two indexes on each GPU memory column: farms have and pay for both.
create index i_host_int_gpu on host (int_gpu_mem);
create index i_host_int_gpu_idle on host (int_gpu_mem_idle);
create index i_host_int_gpu_mem on host (int_gpu_mem);
create index i_host_int_gpu_mem_idle on host (int_gpu_mem_idle);
create index i_host_int_gpus on host (int_gpus);
create index i_host_int_gpus_idle on host (int_gpus_idle);

create table host_stat (
    pk_host_stat varchar(36) not null constraint c_hoststat_pk primary key,
    pk_host varchar(36) not null
        constraint c_host_stat_pk_host_uk unique
        constraint c_host_stat_pk_host references host (pk_host),
    int_mem_total bigint not null default 0,
    int_mem_free bigint not null default 0,
    int_swap_total bigint not null default 0,
    int_swap_free bigint not null default 0,
    int_mcp_total bigint not null default 0,
    int_mcp_free bigint not null default 0,
    int_gpu_mem_total bigint not null default 0,
    int_gpu_mem_free bigint not null default 0,
    int_load bigint not null default 0,
    str_state varchar(32) not null default 'UP',
    str_os varchar(32) not null default 'rhel40',
    ts_ping timestamp(6) with time zone not null default current_timestamp,
    ts_booted timestamp(6) with time zone not null default current_timestamp
);
create index i_host_stat_int_gpu_mem_total on host_stat (int_gpu_mem_total);
create index i_host_stat_int_gpu_mem_free on host_stat (int_gpu_mem_free);
create index i_host_stat_str_os on host_stat (str_os);

create table host_tag (
    pk_host_tag varchar(36) not null constraint c_host_tag_pk primary key,
    pk_host varchar(36) not null,
    str_tag varchar(45) not null,
    str_tag_type varchar(24) not null default 'Hardware',
    b_constant boolean not null default false
);
create index i_host_tag_pk_host on host_tag (pk_host);
create index i_host_str_tag_type on host_tag (str_tag_type);

-- One booking. No foreign key leads to job, layer or show, and no trigger gives back what a deleted row held.
create table proc (
    pk_proc varchar(36) not null constraint c_proc_pk primary key,
    pk_frame varchar(36)
        constraint c_proc_uk unique
        constraint c_proc_pk_frame references frame (pk_frame),
    pk_host varchar(36) not null constraint c_proc_pk_host references host (pk_host),
    pk_job varchar(36),
    pk_show varchar(36),
    pk_layer varchar(36),
    int_cores_reserved bigint not null,
    int_mem_reserved bigint not null,
    int_mem_pre_reserved bigint not null default 0,
    int_mem_used bigint not null default 0,
    int_mem_max_used bigint not null default 0,
    int_virt_used bigint not null default 0,
    int_virt_max_used bigint not null default 0,
    int_swap_used bigint not null default 0,
    int_pss_used bigint default 0,
    int_pss_max_used bigint default 0,
    int_gpus_reserved integer not null default 0,
    int_gpu_mem_reserved bigint not null default 0,
    int_gpu_mem_pre_reserved bigint not null default 0,
    int_gpu_mem_used bigint not null default 0,
    int_gpu_mem_max_used bigint not null default 0,
    b_unbooked boolean not null default false,
    b_local boolean not null default false,
    str_redirect varchar(265),
    bytea_children bytea,
    ts_ping timestamp(6) with time zone not null default current_timestamp,
    ts_booked timestamp(6) with time zone not null default current_timestamp,
    ts_dispatched timestamp(6) with time zone not null default current_timestamp
);
create index i_proc_pkhost on proc (pk_host);
create index i_proc_pkjob on proc (pk_job);
create index i_proc_pklayer on proc (pk_layer);
create index i_proc_pkshow on proc (pk_show);
create index i_proc_int_gpu_mem_reserved on proc (int_gpu_mem_reserved);

create table redirect (
    pk_proc varchar(36) not null constraint c_redirect_pk primary key,
    str_group_id varchar(36) not null,
    int_type bigint not null,
    str_destination_id varchar(512) not null,
    str_name varchar(512) not null,
    lng_creation_time bigint not null
);
create index i_redirect_group on redirect (str_group_id);
create index i_redirect_create on redirect (lng_creation_time);

-- Local dispatch: a user lends the own machine to the own job. No scheduler beside Cuebot touches these two.
create table host_local (
    pk_host_local varchar(36) not null constraint c_pk_host_local primary key,
    pk_job varchar(36) not null constraint c_host_local_pk_job references job (pk_job),
    pk_host varchar(36) not null constraint c_host_local_pk_host references host (pk_host),
    pk_layer varchar(36),
    pk_frame varchar(36),
    str_type varchar(36) not null,
    int_cores_max integer not null default 100,
    int_cores_idle integer not null default 100,
    int_mem_max bigint not null default 0,
    int_mem_idle bigint not null default 0,
    int_gpus_max integer not null default 0,
    int_gpus_idle integer not null default 0,
    int_gpu_mem_max bigint not null default 0,
    int_gpu_mem_idle bigint not null default 0,
    int_threads integer not null default 1,
    float_tier numeric(16, 2) not null default 0,
    b_active boolean not null default true,
    ts_created timestamp(6) with time zone not null default current_timestamp,
    ts_updated timestamp(6) with time zone
);
create index i_host_local on host_local (pk_host);
create index i_host_local_pk_job on host_local (pk_job);
create unique index i_host_local_unique on host_local (pk_host, pk_job);
create index i_host_local_int_gpu_idle on host_local (int_gpu_mem_idle);
create index i_host_local_int_gpu_max on host_local (int_gpu_mem_max);
create index i_host_local_int_gpus_idle on host_local (int_gpus_idle);
create index i_host_local_int_gpus_max on host_local (int_gpus_max);

create table job_local (
    pk_job_local varchar(36) not null constraint c_pk_job_local primary key,
    pk_job varchar(36) not null constraint c_job_local_pk_job references job (pk_job),
    pk_host varchar(36) not null constraint c_job_local_pk_host references host (pk_host),
    str_source varchar(255) not null,
    int_cores integer not null default 0,
    int_max_cores integer not null,
    int_gpus integer not null default 0,
    int_max_gpus integer not null default 0,
    ts_created timestamp(6) with time zone not null default current_timestamp
);
create unique index i_job_local_pk_job on job_local (pk_job);
create unique index i_job_local_pk_host on job_local (pk_host);

create table owner (
    pk_owner varchar(36) not null constraint c_pk_owner primary key,
    pk_show varchar(36) not null constraint c_owner_pk_show references show (pk_show),
    str_username varchar(64) not null,
    ts_created timestamp(6) with time zone not null default current_timestamp,
    ts_updated timestamp(6) with time zone not null default current_timestamp
);
create index i_owner_pk_show on owner (pk_show);
create unique index i_owner_str_username on owner (str_username);

create table deed (
    pk_deed varchar(36) not null constraint c_pk_deed primary key,
    pk_owner varchar(36) not null,
    pk_host varchar(36) not null constraint c_deed_pk_host references host (pk_host),
    b_blackout boolean not null default false,
    int_blackout_start integer,
    int_blackout_stop integer
);
create unique index i_deed_pk_host on deed (pk_host);
create index i_deed_pk_owner on deed (pk_owner);

create table comments (
    pk_comment varchar(36) not null constraint c_comment_pk primary key,
    pk_host varchar(36) constraint c_comment_pk_host references host (pk_host),
    pk_job varchar(36) constraint c_comment_pk_job references job (pk_job),
    str_user varchar(36) not null,
    str_subject varchar(128) not null,
    str_message varchar(4000) not null,
    ts_created timestamp(6) without time zone not null default current_timestamp
);
create index i_comment_pk_job on comments (pk_job);
create index i_comment_pk_host on comments (pk_host);
