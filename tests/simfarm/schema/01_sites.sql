-- Sites and shows: where hosts stand, who may use them, and the switches of the whole farm.
--
-- Ids are text of 36 characters everywhere; nothing parses them. Amounts of cores are centicores.
--
-- In all files the order of foreign keys and of indexes within a table is meant: keys are checked, and
-- their rows locked, in that order, and of two plans that cost the same the one with the earlier index wins.

-- History rows get their id from this extension.
create extension if not exists "uuid-ossp";

create table facility (
    pk_facility varchar(36) not null constraint c_facility_pk primary key,
    str_name varchar(36) not null,
    b_default boolean not null default false
);

create table dept (
    pk_dept varchar(36) not null constraint c_dept_pk primary key,
    str_name varchar(36) not null,
    b_default boolean not null default false
);

create table show (
    pk_show varchar(36) not null constraint c_show_pk primary key,
    str_name varchar(512) not null,
    b_paused boolean not null default false,
    int_default_min_cores integer not null default 100,
    int_default_max_cores integer not null default 10000,
    int_default_min_gpus integer not null default 100,
    int_default_max_gpus integer not null default 100000,
    b_booking_enabled boolean not null default true,
    b_dispatch_enabled boolean not null default true,
    b_active boolean not null default true,
    str_comment_email varchar(1024),
    -- True hands the booking of this show to a scheduler beside Cuebot.
    b_scheduler_managed boolean not null default false
);

create table show_stats (
    pk_show varchar(36) not null constraint c_show_stats_pk primary key,
    int_frame_insert_count bigint not null default 0,
    int_job_insert_count bigint not null default 0,
    int_frame_success_count bigint not null default 0,
    int_frame_fail_count bigint not null default 0
);

create table alloc (
    pk_alloc varchar(36) not null constraint c_alloc_pk primary key,
    str_name varchar(36) not null constraint c_alloc_name_uniq unique,
    b_allow_edit boolean not null default true,
    b_default boolean not null default false,
    str_tag varchar(24),
    b_billable boolean not null default true,
    pk_facility varchar(36) not null constraint c_alloc_pk_facility references facility (pk_facility),
    b_enabled boolean default true
);
create index i_alloc_pk_facility on alloc (pk_facility);

-- The right of a show to an allocation: no row is no access. The size only orders shows; the burst is the cap.
create table subscription (
    pk_subscription varchar(36) not null constraint c_subscription_pk primary key,
    pk_alloc varchar(36) not null constraint c_subscription_pk_alloc references alloc (pk_alloc),
    pk_show varchar(36) not null constraint c_subscription_pk_show references show (pk_show),
    int_size bigint not null default 0,
    int_burst bigint not null default 0,
    int_cores integer not null default 0,
    int_gpus integer not null default 0,
    float_tier numeric(16, 2) not null default 0,
    constraint c_subscription_uk unique (pk_show, pk_alloc)
);
create index i_sub_tier on subscription (float_tier);
create index i_subscription_pkalloc on subscription (pk_alloc);

-- The parent has no foreign key. The minima and maxima here are not the enforced ones: those are in folder_resource.
create table folder (
    pk_folder varchar(36) not null constraint c_folder_pk primary key,
    pk_parent_folder varchar(36),
    pk_show varchar(36) not null constraint c_folder_pk_show references show (pk_show),
    pk_dept varchar(36) not null constraint c_folder_pk_dept references dept (pk_dept),
    str_name varchar(36) not null,
    int_priority bigint not null default 1,
    b_default boolean not null default false,
    int_job_min_cores integer not null default -1,
    int_job_max_cores integer not null default -1,
    int_job_min_gpus integer not null default -1,
    int_job_max_gpus integer not null default -1,
    int_job_priority integer not null default -1,
    int_min_cores integer not null default 0,
    int_max_cores integer not null default -1,
    int_min_gpus integer not null default 0,
    int_max_gpus integer not null default -1,
    b_exclude_managed boolean not null default false,
    f_order integer not null default 0,
    constraint c_folder_uk unique (pk_parent_folder, str_name)
);
create index i_folder_pkparentfolder on folder (pk_parent_folder);
create index i_folder_pkshow on folder (pk_show);
create index i_folder_strname on folder (str_name);

create table folder_level (
    pk_folder_level varchar(36) not null constraint c_folder_level_pk primary key,
    pk_folder varchar(36) not null
        constraint c_folder_level_uk unique
        constraint c_folder_level_pk_folder references folder (pk_folder),
    int_level bigint not null default 0
);

-- No trigger enforces these caps: a program that books must check them under a lock on the row.
create table folder_resource (
    pk_folder_resource varchar(36) not null constraint c_folder_resource_pk primary key,
    pk_folder varchar(36) not null constraint c_folder_resource_pk_folder references folder (pk_folder),
    int_cores integer not null default 0,
    int_min_cores integer not null default 0,
    int_max_cores integer not null default -1,
    int_gpus integer not null default 0,
    int_min_gpus integer not null default 0,
    int_max_gpus integer not null default -1,
    float_tier numeric(16, 2) not null default 0
);
create index i_folder_res_int_max_cores on folder_resource (int_max_cores);
create index i_folder_resource_fl_tier on folder_resource (float_tier);
create index i_folderresource_pkfolder on folder_resource (pk_folder);
create index i_folder_res_int_max_gpus on folder_resource (int_max_gpus);
create index i_folder_resource_int_cores on folder_resource (int_cores);

create table point (
    pk_point varchar(36) not null constraint c_point_pk primary key,
    pk_dept varchar(36) not null constraint c_point_pk_dept references dept (pk_dept),
    pk_show varchar(36) not null constraint c_point_pk_show references show (pk_show),
    str_ti_task varchar(36),
    int_cores integer not null default 0,
    int_min_cores integer not null default 0,
    int_gpus integer not null default 0,
    int_min_gpus integer not null default 0,
    b_managed boolean not null default false,
    float_tier numeric(16, 2) not null default 0,
    ts_updated timestamp(6) with time zone not null default current_timestamp,
    constraint c_point_pk_show_dept unique (pk_show, pk_dept)
);
create index i_point_pk_dept on point (pk_dept);
create index i_point_pk_show on point (pk_show);
create index i_point_tier on point (float_tier);

-- Counter caps in running frames. The table is unkeyed, so a lock on a limit has to name its rows.
create table limit_record (
    pk_limit_record varchar(36) not null,
    str_name varchar(255) not null,
    int_max_value integer,
    b_host_limit boolean not null default false
);
create index i_limit_record_pk_limit_record on limit_record (pk_limit_record);
