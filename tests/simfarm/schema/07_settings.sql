-- Switches of the farm, locks of its maintenance, and defaults of services.

create table config (
    pk_config varchar(36) not null constraint c_pk_pkconfig primary key,
    str_key varchar(36) not null constraint c_show_uk unique,
    int_value bigint default 0,
    long_value bigint default 0,
    str_value varchar(255) default '',
    b_value boolean default false
);

-- A lock is held while int_lock is a time in epoch milliseconds that is younger than the timeout.
create table task_lock (
    pk_task_lock varchar(36) not null constraint c_task_lock_pk primary key,
    str_name varchar(36) not null,
    int_lock bigint not null default 0,
    int_timeout bigint not null default 30,
    ts_lastrun timestamp(6) without time zone not null default current_timestamp
);

create table service (
    pk_service varchar(36) not null constraint c_pk_service primary key,
    str_name varchar(36) not null,
    b_threadable boolean not null,
    str_tags varchar(128) not null,
    int_cores_min integer not null,
    int_cores_max integer not null default 0,
    int_mem_min integer not null,
    int_gpus_min integer not null default 0,
    int_gpus_max integer not null default 0,
    int_gpu_mem_min bigint not null default 0,
    int_timeout integer not null default 0,
    int_timeout_llu integer not null default 0,
    int_min_memory_increase integer not null default 2097152
);
create unique index i_service_str_name on service (str_name);
create index i_service_int_gpu_mem_min on service (int_gpu_mem_min);
create index i_service_int_gpus_min on service (int_gpus_min);

create table show_service (
    pk_show_service varchar(36) not null constraint c_pk_show_service primary key,
    pk_show varchar(36) not null constraint c_show_service_pk_show references show (pk_show),
    str_name varchar(36) not null,
    b_threadable boolean not null,
    str_tags varchar(128) not null,
    int_cores_min integer not null,
    int_cores_max integer not null default 0,
    int_mem_min integer not null,
    int_gpus_min integer not null default 0,
    int_gpus_max integer not null default 0,
    int_gpu_mem_min bigint not null default 0,
    int_timeout integer not null default 0,
    int_timeout_llu integer not null default 0,
    int_min_memory_increase integer not null default 2097152
);
create unique index i_show_service_str_name on show_service (str_name, pk_show);
create index i_show_service_int_gpu_mem_min on show_service (int_gpu_mem_min);
create index i_show_service_int_gpus_min on show_service (int_gpus_min);
