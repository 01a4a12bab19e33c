-- Frames, the units of work.
--
-- No index serves (layer, state); reading the next frames of a layer goes through the layer's frames.

create table frame (
    pk_frame varchar(36) not null constraint c_frame_pk primary key,
    pk_job varchar(36) not null constraint c_frame_pk_job references job (pk_job),
    pk_layer varchar(36) not null constraint c_frame_pk_layer references layer (pk_layer),
    str_name varchar(256) not null,
    str_state varchar(24) not null,
    -- A booking is guarded by this number and raises it; nothing else keeps two bookers apart.
    int_version integer default 0,
    int_number bigint not null,
    int_dispatch_order bigint not null default 0,
    int_layer_order integer not null,
    int_depend_count bigint not null default 0,
    int_exit_status bigint not null default -1,
    int_retries bigint not null default 0,
    -- The history trigger finds the host by this name.
    str_host varchar(256),
    int_cores integer not null default 0,
    int_gpus integer not null default 0,
    int_mem_reserved bigint not null default 0,
    int_mem_used bigint not null default 0,
    int_mem_max_used bigint not null default 0,
    int_pss_used bigint default 0,
    int_pss_max_used bigint default 0,
    int_gpu_mem_reserved bigint not null default 0,
    int_gpu_mem_used bigint not null default 0,
    int_gpu_mem_max_used bigint not null default 0,
    int_total_past_core_time integer not null default 0,
    int_total_past_gpu_time integer not null default 0,
    str_checkpoint_state varchar(12) not null default 'DISABLED',
    int_checkpoint_count smallint not null default 0,
    ts_started timestamp(6) with time zone,
    ts_stopped timestamp(6) with time zone,
    ts_last_run timestamp(6) with time zone,
    ts_updated timestamp(6) with time zone,
    ts_llu timestamp(6) with time zone,
    ts_eligible timestamp(6) with time zone default null,
    constraint c_frame_str_name_unq unique (str_name, pk_job)
);
create index i_frame_state_job on frame (str_state, pk_job);
create index i_frame_dispatch_idx on frame (int_dispatch_order, int_layer_order);
create index i_frame_pk_job on frame (pk_job);
create index i_frame_pkjoblayer on frame (pk_layer);
create index i_frame_int_gpu_mem_reserved on frame (int_gpu_mem_reserved);
create index i_frame_depend_candidates on frame (pk_job, pk_layer, pk_frame)
    where str_state = 'DEPEND' and int_depend_count > 0;

-- These rows have to go before their frame can.
create table frame_state_display_overrides (
    pk_frame_override varchar(36) not null,
    pk_frame varchar(36) not null constraint c_frame_state_overrides_pk_frame references frame (pk_frame),
    str_frame_state varchar(24) not null,
    str_override_text varchar(24) not null,
    str_rgb varchar(24) not null,
    constraint c_frame_state_override unique (pk_frame, str_frame_state)
);
