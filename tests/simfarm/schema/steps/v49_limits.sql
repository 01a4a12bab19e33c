-- Limits by type: frames or hosts, enforced or not, with the usage that a licence server reports.

alter table limit_record
    add column str_type varchar(16) not null default 'FRAME',
    add column str_enforcement varchar(16) not null default 'ENFORCED',
    -- Hosts from which on a HOST limit admits only hosts that hold it already; below 0 there is none.
    add column int_soft_value integer not null default -1,
    add column ts_reported timestamp(6) with time zone,
    add column str_report_source varchar(255),
    -- Seconds for which a report is believed; 0 believes it for ever.
    add column int_report_ttl integer not null default 900,
    -- The exit status by which frames say that the licence was missing, and the delay that follows.
    add column int_exit_status integer,
    add column int_delay_minutes integer not null default 0,
    add column b_auto_tag boolean not null default true;

-- Nobody reads the old flag from here on.
update limit_record set str_type = 'HOST' where b_host_limit;

alter table limit_record add constraint c_limit_record_pk primary key (pk_limit_record);
drop index i_limit_record_pk_limit_record;
alter table limit_record
    add constraint c_limit_record_uk_name unique (str_name),
    add constraint c_limit_record_ck_type check (str_type in ('FRAME', 'HOST')),
    add constraint c_limit_record_ck_enforcement check (str_enforcement in ('ENFORCED', 'ADVISORY', 'DISABLED')),
    add constraint c_limit_record_ck_exit_status check (int_exit_status is null or int_exit_status > 1),
    add constraint c_limit_record_ck_delay check (int_delay_minutes >= 0);
create unique index i_limit_record_uk_exit_status on limit_record (int_exit_status) where int_exit_status is not null;

alter table layer_limit
    add column str_source varchar(16) not null default 'SPEC',
    add column ts_created timestamp(6) with time zone not null default current_timestamp;

-- Of a pair that stands several times one row stays.
delete from layer_limit
where (pk_layer, pk_limit_record, pk_layer_limit) not in (
    select pk_layer, pk_limit_record, min(pk_layer_limit)
    from layer_limit
    group by pk_layer, pk_limit_record
);

alter table layer_limit
    add constraint c_layer_limit_pk primary key (pk_layer_limit),
    add constraint c_layer_limit_uk unique (pk_layer, pk_limit_record),
    add constraint c_layer_limit_ck_source check (str_source in ('SPEC', 'AUTO', 'MANUAL'));
create index i_layer_limit_str_source on layer_limit (pk_limit_record, str_source);

-- Holders of a licence, as its server reports them; workstations of artists have no row in host.
create table limit_host (
    pk_limit_host varchar(36) not null constraint c_limit_host_pk primary key,
    pk_limit_record varchar(36) not null
        constraint c_limit_host_fk_limit references limit_record (pk_limit_record) on delete cascade,
    -- Short and in lower case.
    str_host_name varchar(256) not null,
    str_reported_name varchar(256) not null,
    int_tokens integer not null default 1 constraint c_limit_host_ck_tokens check (int_tokens > 0),
    str_user varchar(64),
    ts_reported timestamp(6) with time zone not null default current_timestamp,
    constraint c_limit_host_uk unique (pk_limit_record, str_host_name)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 500);
create index i_limit_host_str_host_name on limit_host (str_host_name);

-- The settled part of a limit's usage; a limit without a row has none.
create table limit_usage (
    pk_limit_record varchar(36) not null constraint c_limit_usage_pk primary key
        constraint c_limit_usage_fk references limit_record (pk_limit_record) on delete cascade,
    int_settled_usage integer not null default 0,
    int_settled_hosts integer not null default 0,
    ts_watermark timestamp(6) with time zone,
    ts_updated timestamp(6) with time zone not null default current_timestamp
) with (fillfactor = 70);
insert into limit_usage (pk_limit_record) select pk_limit_record from limit_record;

create index i_proc_ts_dispatched on proc (ts_dispatched);

insert into task_lock (pk_task_lock, str_name, int_timeout)
values (uuid_generate_v4()::text, 'LOCK_LIMIT_USAGE_RECALCULATION', 60000);
