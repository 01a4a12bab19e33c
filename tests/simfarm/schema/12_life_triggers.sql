-- Births, moves and deaths of jobs, layers, folders and hosts.
--
-- The rows that go with a job or a layer carry its id as their own, so nobody has to look them up.

create function trigger__after_insert_job() returns trigger as $$
begin
    insert into job_stat (pk_job_stat, pk_job) values (new.pk_job, new.pk_job);
    insert into job_resource (pk_job_resource, pk_job) values (new.pk_job, new.pk_job);
    insert into job_usage (pk_job_usage, pk_job) values (new.pk_job, new.pk_job);
    insert into job_mem (pk_job_mem, pk_job) values (new.pk_job, new.pk_job);

    if not history_is_off() then
        insert into job_history (pk_job, pk_show, pk_facility, pk_dept, str_name, str_shot, str_user, int_ts_started)
        values (
            new.pk_job, new.pk_show, new.pk_facility, new.pk_dept,
            new.str_name, new.str_shot, new.str_user, epoch(current_timestamp)
        );
    end if;
    return new;
end
$$ language plpgsql;

create trigger after_insert_job after insert on job
for each row execute procedure trigger__after_insert_job();

create function trigger__after_insert_layer() returns trigger as $$
begin
    insert into layer_stat (pk_layer_stat, pk_layer, pk_job) values (new.pk_layer, new.pk_layer, new.pk_job);
    insert into layer_resource (pk_layer_resource, pk_layer, pk_job) values (new.pk_layer, new.pk_layer, new.pk_job);
    insert into layer_usage (pk_layer_usage, pk_layer, pk_job) values (new.pk_layer, new.pk_layer, new.pk_job);
    insert into layer_mem (pk_layer_mem, pk_layer, pk_job) values (new.pk_layer, new.pk_layer, new.pk_job);

    if not history_is_off() then
        insert into layer_history (
            pk_layer, pk_job, str_name, str_type, str_services,
            int_cores_min, int_mem_min, int_gpus_min, int_gpu_mem_min
        ) values (
            new.pk_layer, new.pk_job, new.str_name, new.str_type, new.str_services,
            new.int_cores_min, new.int_mem_min, new.int_gpus_min, new.int_gpu_mem_min
        );
    end if;
    return new;
end
$$ language plpgsql;

create trigger after_insert_layer after insert on layer
for each row execute procedure trigger__after_insert_layer();

-- The totals are kept even where history is off.
create function trigger__after_job_finished() returns trigger as $$
declare
    part record;
begin
    perform archive_job(new.pk_job, current_timestamp, false);
    for part in select pk_layer from layer where pk_job = new.pk_job loop
        perform archive_layer(part.pk_layer, false);
    end loop;

    delete from job_local where pk_job = new.pk_job;
    return new;
end
$$ language plpgsql;

create trigger after_job_finished after update on job
for each row when (old.str_state = 'PENDING' and new.str_state = 'FINISHED')
execute procedure trigger__after_job_finished();

-- Usage of a job moves with it. The new folder is locked before the old one.
create function trigger__after_job_moved() returns trigger as $$
declare
    held record;
begin
    select int_cores, int_gpus into held from job_resource where pk_job = new.pk_job;

    update folder_resource
    set int_cores = int_cores + held.int_cores, int_gpus = int_gpus + held.int_gpus
    where pk_folder = new.pk_folder;

    update folder_resource
    set int_cores = int_cores - held.int_cores, int_gpus = int_gpus - held.int_gpus
    where pk_folder = old.pk_folder;
    return new;
end
$$ language plpgsql;

create trigger after_job_moved after update on job
for each row when (new.pk_folder <> old.pk_folder)
execute procedure trigger__after_job_moved();

create function trigger__after_job_dept_update() returns trigger as $$
declare
    held record;
begin
    select int_cores, int_gpus into held from job_resource where pk_job = new.pk_job;

    update point
    set int_cores = int_cores + held.int_cores, int_gpus = int_gpus + held.int_gpus
    where pk_dept = new.pk_dept and pk_show = new.pk_show;

    update point
    set int_cores = int_cores - held.int_cores, int_gpus = int_gpus - held.int_gpus
    where pk_dept = old.pk_dept and pk_show = old.pk_show;
    return new;
end
$$ language plpgsql;

create trigger after_job_dept_update after update on job
for each row when (new.pk_dept <> old.pk_dept and new.str_state = 'PENDING')
execute procedure trigger__after_job_dept_update();

-- Procs are left alone: a frame that still has one cannot be deleted, and so its job cannot.
create function trigger__before_delete_job() returns trigger as $$
begin
    if not history_is_off() then
        perform archive_job(old.pk_job, coalesce(old.ts_stopped, current_timestamp), true);
    end if;

    delete from depend where pk_job_depend_on = old.pk_job or pk_job_depend_er = old.pk_job;
    delete from frame_state_display_overrides
    where pk_frame in (select pk_frame from frame where pk_job = old.pk_job);
    delete from frame where pk_job = old.pk_job;
    delete from layer where pk_job = old.pk_job;
    delete from job_env where pk_job = old.pk_job;
    delete from job_stat where pk_job = old.pk_job;
    delete from job_resource where pk_job = old.pk_job;
    delete from job_usage where pk_job = old.pk_job;
    delete from job_mem where pk_job = old.pk_job;
    delete from job_post where pk_job = old.pk_job;
    delete from comments where pk_job = old.pk_job;
    return old;
end
$$ language plpgsql;

create trigger before_delete_job before delete on job
for each row execute procedure trigger__before_delete_job();

create function trigger__before_delete_layer() returns trigger as $$
begin
    perform archive_layer(old.pk_layer, true);

    delete from layer_resource where pk_layer = old.pk_layer;
    delete from layer_stat where pk_layer = old.pk_layer;
    delete from layer_usage where pk_layer = old.pk_layer;
    delete from layer_env where pk_layer = old.pk_layer;
    delete from layer_mem where pk_layer = old.pk_layer;
    delete from layer_output where pk_layer = old.pk_layer;
    return old;
end
$$ language plpgsql;

create trigger before_delete_layer before delete on layer
for each row execute procedure trigger__before_delete_layer();

create function trigger__before_delete_layer_drop_limit() returns trigger as $$
begin
    delete from layer_limit where pk_layer = old.pk_layer;
    return old;
end
$$ language plpgsql;

create trigger before_delete_layer_drop_limit before delete on layer
for each row execute procedure trigger__before_delete_layer_drop_limit();

create function trigger__before_insert_folder() returns trigger as $$
begin
    if new.pk_parent_folder is null then
        new.b_default := true;
    end if;
    return new;
end
$$ language plpgsql;

create trigger before_insert_folder before insert on folder
for each row execute procedure trigger__before_insert_folder();

create function trigger__after_insert_folder() returns trigger as $$
declare
    depth bigint := 0;
begin
    if new.pk_parent_folder is not null then
        select int_level + 1 into depth from folder_level where pk_folder = new.pk_parent_folder;
    end if;
    insert into folder_level (pk_folder_level, pk_folder, int_level) values (new.pk_folder, new.pk_folder, depth);
    insert into folder_resource (pk_folder_resource, pk_folder) values (new.pk_folder, new.pk_folder);
    return new;
end
$$ language plpgsql;

create trigger after_insert_folder after insert on folder
for each row execute procedure trigger__after_insert_folder();

create function trigger__before_delete_folder() returns trigger as $$
begin
    delete from folder_level where pk_folder = old.pk_folder;
    delete from folder_resource where pk_folder = old.pk_folder;
    return old;
end
$$ language plpgsql;

create trigger before_delete_folder before delete on folder
for each row execute procedure trigger__before_delete_folder();

create function trigger__before_delete_host() returns trigger as $$
begin
    delete from host_stat where pk_host = old.pk_host;
    delete from host_tag where pk_host = old.pk_host;
    delete from deed where pk_host = old.pk_host;
    return old;
end
$$ language plpgsql;

create trigger before_delete_host before delete on host
for each row execute procedure trigger__before_delete_host();
