-- History of runs through a queue: an update of a frame adds one narrow row, and Cuebot writes the history from it.
--
-- Events are S for a run that starts, E for one that ends and X for one that never was. A frame's events have
-- the order of their ids, because its row lock is held from the event to the commit.

create table frame_history_queue (
    id bigserial primary key,
    str_event char(1) not null,
    pk_frame varchar(36) not null,
    -- Epoch seconds.
    int_ts integer not null,
    -- Of a start.
    pk_layer varchar(36),
    pk_job varchar(36),
    str_name varchar(256),
    str_host varchar(256),
    pk_alloc varchar(36),
    int_cores integer,
    int_mem_reserved bigint,
    int_gpus integer,
    int_gpu_mem_reserved bigint,
    -- Of an end.
    int_mem_max_used bigint,
    int_gpu_mem_max_used bigint,
    int_exit_status bigint,
    int_checkpoint_count integer
);

create or replace function trigger__frame_history_open() returns trigger as $$
declare
    moment integer := epoch(current_timestamp);
begin
    perform 1 from config where str_key = 'DISABLE_HISTORY';
    if found then
        return null;
    end if;

    if old.str_state = 'RUNNING' then
        insert into frame_history_queue (
            str_event, pk_frame, int_ts,
            int_mem_max_used, int_gpu_mem_max_used, int_exit_status, int_checkpoint_count
        ) values (
            -- A launch that never happened is no run.
            case new.int_exit_status when 299 then 'X' else 'E' end, new.pk_frame, moment,
            new.int_mem_max_used, new.int_gpu_mem_max_used, new.int_exit_status,
            (new.str_state = 'CHECKPOINT')::integer
        );
    end if;

    if new.str_state = 'RUNNING' then
        insert into frame_history_queue (
            str_event, pk_frame, int_ts, pk_layer, pk_job, str_name, str_host, pk_alloc,
            int_cores, int_mem_reserved, int_gpus, int_gpu_mem_reserved
        ) values (
            'S', new.pk_frame, moment, new.pk_layer, new.pk_job, new.str_name, new.str_host,
            (select host.pk_alloc from host where host.str_name = new.str_host),
            new.int_cores, new.int_mem_reserved, new.int_gpus, new.int_gpu_mem_reserved
        );
    end if;
    return null;
end
$$ language plpgsql;
