-- The ledgers: what hosts, subscriptions, jobs, folders and points hold, and the caps on some of them.
--
-- A cap is checked only when usage grows while the cap stands: lowering a cap under its usage is legal.
-- Programs that book distinguish a full cap from a fault by the error texts, so these are part of the contract.

create function trigger__before_insert_proc() returns trigger as $$
begin
    if new.int_cores_reserved <= 0 then
        raise exception 'failed to allocate proc, tried to allocate 0 cores';
    end if;
    return new;
end
$$ language plpgsql;

create trigger before_insert_proc before insert on proc
for each row execute procedure trigger__before_insert_proc();

-- Memory that a running proc grows into comes out of its host.
create function trigger__upgrade_proc_memory_usage() returns trigger as $$
begin
    update host
    set int_mem_idle = int_mem_idle - (new.int_mem_reserved - old.int_mem_reserved)
    where pk_host = new.pk_host;
    return new;
end
$$ language plpgsql;

create trigger upgrade_proc_memory_usage after update on proc
for each row when (new.int_mem_reserved <> old.int_mem_reserved)
execute procedure trigger__upgrade_proc_memory_usage();

-- Two procs that swap layers at once would deadlock if each took its old layer first: descending ids for all.
create function trigger__update_proc_update_layer() returns trigger as $$
declare
    stat record;
begin
    for stat in
        select pk_layer from layer_stat where pk_layer in (old.pk_layer, new.pk_layer) order by pk_layer desc
    loop
        if stat.pk_layer = old.pk_layer then
            update layer_resource
            set int_cores = int_cores - old.int_cores_reserved, int_gpus = int_gpus - old.int_gpus_reserved
            where pk_layer = stat.pk_layer;
        else
            update layer_resource
            set int_cores = int_cores + new.int_cores_reserved, int_gpus = int_gpus + new.int_gpus_reserved
            where pk_layer = stat.pk_layer;
        end if;
    end loop;
    return new;
end
$$ language plpgsql;

create trigger update_proc_update_layer after update on proc
for each row when (new.pk_layer <> old.pk_layer)
execute procedure trigger__update_proc_update_layer();

-- Idle may not fall under zero; that it exceeds the total is nobody's business here.
create function trigger__verify_host_resources() returns trigger as $$
begin
    if new.int_cores_idle < 0 then
        raise exception 'unable to allocate additional core units';
    end if;
    if new.int_mem_idle < 0 then
        raise exception 'unable to allocate additional memory';
    end if;
    if new.int_gpus_idle < 0 then
        raise exception 'unable to allocate additional GPU units';
    end if;
    if new.int_gpu_mem_idle < 0 then
        raise exception 'unable to allocate additional GPU memory';
    end if;
    return new;
end
$$ language plpgsql;

create trigger verify_host_resources before update on host
for each row when (
    new.int_cores_idle <> old.int_cores_idle
    or new.int_mem_idle <> old.int_mem_idle
    or new.int_gpus_idle <> old.int_gpus_idle
    or new.int_gpu_mem_idle <> old.int_gpu_mem_idle
)
execute procedure trigger__verify_host_resources();

create function trigger__tier_subscription() returns trigger as $$
begin
    new.float_tier := tier(new.int_cores, new.int_size);
    return new;
end
$$ language plpgsql;

create trigger tier_subscription before update on subscription
for each row execute procedure trigger__tier_subscription();

create function trigger__verify_subscription() returns trigger as $$
begin
    if new.int_cores > new.int_burst then
        raise exception 'subscription has exceeded burst size';
    end if;
    return new;
end
$$ language plpgsql;

create trigger verify_subscription before update on subscription
for each row when (new.int_burst = old.int_burst and new.int_cores > old.int_cores)
execute procedure trigger__verify_subscription();

create function trigger__tier_job() returns trigger as $$
begin
    new.float_tier := tier(new.int_cores, new.int_min_cores);
    return new;
end
$$ language plpgsql;

create trigger tier_job before update on job_resource
for each row execute procedure trigger__tier_job();

-- No value of the caps means "unlimited" here.
create function trigger__verify_job_resources() returns trigger as $$
begin
    if new.int_cores > new.int_max_cores then
        raise exception 'job has exceeded max cores';
    end if;
    if new.int_gpus > new.int_max_gpus then
        raise exception 'job has exceeded max GPU units';
    end if;
    return new;
end
$$ language plpgsql;

create trigger verify_job_resources before update on job_resource
for each row when (
    (new.int_max_cores = old.int_max_cores and new.int_cores > old.int_cores)
    or (new.int_max_gpus = old.int_max_gpus and new.int_gpus > old.int_gpus)
)
execute procedure trigger__verify_job_resources();

create function trigger__tier_folder() returns trigger as $$
begin
    new.float_tier := soft_tier(new.int_cores, new.int_min_cores);
    return new;
end
$$ language plpgsql;

create trigger tier_folder before update on folder_resource
for each row execute procedure trigger__tier_folder();

create function trigger__point_tier() returns trigger as $$
begin
    new.float_tier := soft_tier(new.int_cores, new.int_min_cores);
    return new;
end
$$ language plpgsql;

create trigger point_tier before update on point
for each row execute procedure trigger__point_tier();

create function trigger__verify_job_local() returns trigger as $$
begin
    if new.int_cores > new.int_max_cores then
        raise exception 'job local has exceeded max cores';
    end if;
    return new;
end
$$ language plpgsql;

create trigger verify_job_local before update on job_local
for each row when (new.int_max_cores = old.int_max_cores and new.int_cores > old.int_cores)
execute procedure trigger__verify_job_local();

create function trigger__tier_host_local() returns trigger as $$
begin
    new.float_tier := tier(new.int_cores_max - new.int_cores_idle, new.int_cores_max);
    return new;
end
$$ language plpgsql;

create trigger tier_host_local before update on host_local
for each row execute procedure trigger__tier_host_local();

create function trigger__verify_host_local() returns trigger as $$
begin
    if new.int_cores_idle < 0 then
        raise exception 'host local doesnt have enough idle cores.';
    end if;
    if new.int_mem_idle < 0 then
        raise exception 'host local doesnt have enough idle memory';
    end if;
    if new.int_gpus_idle < 0 then
        raise exception 'host local doesnt have enough GPU idle cores.';
    end if;
    if new.int_gpu_mem_idle < 0 then
        raise exception 'host local doesnt have enough GPU idle memory.';
    end if;
    return new;
end
$$ language plpgsql;

-- The last conjunction keeps a booking without GPUs from ever being checked; farms behave so.
create trigger verify_host_local before update on host_local
for each row when (
    new.int_cores_max = old.int_cores_max and new.int_mem_max = old.int_mem_max
    and new.int_gpus_max = old.int_gpus_max and new.int_gpu_mem_max = old.int_gpu_mem_max
    and (new.int_cores_idle <> old.int_cores_idle or new.int_mem_idle <> old.int_mem_idle)
    and (new.int_gpus_idle <> old.int_gpus_idle or new.int_gpu_mem_idle <> old.int_gpu_mem_idle)
)
execute procedure trigger__verify_host_local();
