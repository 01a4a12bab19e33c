-- Side effects of an update of a frame: state rules, history of runs, counts by state.
--
-- Triggers of one timing fire in the order of their names. After each frame the history row is written
-- first, then layer_stat, job_stat, and layer_stat again; in an update of many frames all this starts
-- only when every frame row is locked.

create function trigger__set_frame_ts_eligible_on_insert() returns trigger as $$
begin
    if new.str_state = 'WAITING' and new.ts_eligible is null then
        new.ts_eligible := current_timestamp;
    end if;
    return new;
end
$$ language plpgsql;

create trigger set_frame_ts_eligible_on_insert before insert on frame
for each row execute procedure trigger__set_frame_ts_eligible_on_insert();

create function trigger__set_frame_ts_eligible_setup_to_wait() returns trigger as $$
begin
    new.ts_eligible := current_timestamp;
    return new;
end
$$ language plpgsql;

create trigger set_frame_ts_eligible_setup_to_wait before update on frame
for each row when (old.str_state = 'SETUP' and new.str_state = 'WAITING')
execute procedure trigger__set_frame_ts_eligible_setup_to_wait();

-- A frame that can resume waits for its checkpoint to be copied, not for a host.
create function trigger__update_frame_checkpoint_state() returns trigger as $$
begin
    new.str_state := 'CHECKPOINT';
    return new;
end
$$ language plpgsql;

create trigger update_frame_checkpoint_state before update on frame
for each row when (
    old.str_state = 'RUNNING' and new.str_state = 'WAITING'
    and new.str_checkpoint_state in ('ENABLED', 'COPYING')
)
execute procedure trigger__update_frame_checkpoint_state();

create function trigger__update_frame_dep_to_wait() returns trigger as $$
begin
    new.str_state := 'WAITING';
    new.ts_updated := current_timestamp;
    new.ts_eligible := current_timestamp;
    new.int_version := new.int_version + 1;
    return new;
end
$$ language plpgsql;

create trigger update_frame_dep_to_wait before update on frame
for each row when (old.int_depend_count > 0 and new.int_depend_count < 1 and old.str_state = 'DEPEND')
execute procedure trigger__update_frame_dep_to_wait();

-- A frame that succeeded cannot be eaten.
create function trigger__update_frame_eaten() returns trigger as $$
begin
    new.str_state := 'SUCCEEDED';
    return new;
end
$$ language plpgsql;

create trigger update_frame_eaten before update on frame
for each row when (old.str_state = 'SUCCEEDED' and new.str_state = 'EATEN')
execute procedure trigger__update_frame_eaten();

create function trigger__update_frame_wait_to_dep() returns trigger as $$
begin
    new.str_state := 'DEPEND';
    new.ts_updated := current_timestamp;
    new.int_version := new.int_version + 1;
    return new;
end
$$ language plpgsql;

-- The condition has no old state, so any update of such a row makes it depend.
create trigger update_frame_wait_to_dep before update on frame
for each row when (new.int_depend_count > 0 and new.str_state in ('DEAD', 'SUCCEEDED', 'WAITING', 'CHECKPOINT'))
execute procedure trigger__update_frame_wait_to_dep();

-- The statements are dynamic, as on farms, so that each run of a frame pays for planning them.
create function trigger__frame_history_open() returns trigger as $$
declare
    alloc_id varchar(36);
begin
    perform 1 from config where str_key = 'DISABLE_HISTORY';
    if found then
        return new;
    end if;

    if old.str_state = 'RUNNING' then
        if new.int_exit_status = 299 then
            -- A launch that never happened is no run.
            execute 'delete from frame_history where pk_frame = $1 and int_ts_stopped = 0' using new.pk_frame;
        else
            execute 'update frame_history
                     set int_mem_max_used = $2, int_gpu_mem_max_used = $3, int_exit_status = $4,
                         int_ts_stopped = $5, int_checkpoint_count = $6
                     where pk_frame = $1 and int_ts_stopped = 0'
            using new.pk_frame, new.int_mem_max_used, new.int_gpu_mem_max_used, new.int_exit_status,
                  epoch(current_timestamp), case when new.str_state = 'CHECKPOINT' then 1 else 0 end;
        end if;
    end if;

    if new.str_state = 'RUNNING' then
        select pk_alloc into alloc_id from host where str_name = new.str_host;

        execute 'insert into frame_history (
                     pk_frame, pk_layer, pk_job, pk_alloc, str_name, str_state, str_host,
                     int_cores, int_mem_reserved, int_gpus, int_gpu_mem_reserved, int_ts_started
                 ) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)'
        using new.pk_frame, new.pk_layer, new.pk_job, alloc_id, new.str_name, new.str_state, new.str_host,
              new.int_cores, new.int_mem_reserved, new.int_gpus, new.int_gpu_mem_reserved, epoch(current_timestamp);
    end if;
    return new;
end
$$ language plpgsql;

create trigger frame_history_open after update on frame
for each row when (old.str_state <> new.str_state)
execute procedure trigger__frame_history_open();

-- The column is named by the state, so a state without a column is an error of the update.
create function trigger__update_frame_status_counts() returns trigger as $$
declare
    shift text := format(
        'int_%1$s_count = int_%1$s_count - 1, int_%2$s_count = int_%2$s_count + 1',
        lower(old.str_state), lower(new.str_state)
    );
begin
    execute 'update layer_stat set ' || shift || ' where pk_layer = $1' using new.pk_layer;
    execute 'update job_stat set ' || shift || ' where pk_job = $1' using new.pk_job;

    if new.str_state = 'RUNNING' then
        update layer_stat
        set ts_started = coalesce(ts_started, new.ts_started, current_timestamp)
        where pk_layer = new.pk_layer;
    elsif old.str_state = 'RUNNING' then
        update layer_stat
        set ts_stopped = coalesce(new.ts_stopped, current_timestamp)
        where pk_layer = new.pk_layer;
    end if;
    return new;
end
$$ language plpgsql;

create trigger update_frame_status_counts after update on frame
for each row when (old.str_state <> 'SETUP' and old.str_state <> new.str_state)
execute procedure trigger__update_frame_status_counts();
