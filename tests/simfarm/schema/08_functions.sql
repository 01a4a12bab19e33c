-- Functions: order numbers, clocks, and the recounts that mend counters.
--
-- All are plpgsql and volatile, as on farms: a cheaper language would make bookings look cheaper than they are.

-- The tier of a show or folder: below 1 is under its minimum, and the lowest is served first.
create function tier(cores numeric, minimum numeric) returns numeric as $$
begin
    if minimum = 0 then
        return cores / 100 + 1;
    elsif cores = 0 then
        return -minimum;
    end if;
    return cores / minimum;
end
$$ language plpgsql;

-- The same for what has no claim beyond its minimum: everybody at or over it is equal.
create function soft_tier(cores numeric, minimum numeric) returns numeric as $$
begin
    if cores is null then
        return 0;
    elsif minimum = 0 or cores >= minimum then
        return 1;
    elsif cores = 0 then
        return -minimum;
    end if;
    return cores / minimum;
end
$$ language plpgsql;

-- Whole seconds, rounded.
create function epoch(moment timestamp with time zone) returns numeric as $$
begin
    return round(extract(epoch from moment));
end
$$ language plpgsql;

-- Months and years have no fixed length and count nothing; a difference of two times has none.
create function interval_to_seconds(span interval) returns numeric as $$
begin
    return extract(day from span) * 86400
        + extract(hour from span) * 3600
        + extract(minute from span) * 60
        + extract(second from span);
end
$$ language plpgsql;

-- Seconds from start to stop; what has not stopped is measured up to now.
create function find_duration(started timestamp with time zone, stopped timestamp with time zone) returns numeric as $$
begin
    if started is null then
        return 0;
    end if;
    return round(interval_to_seconds(coalesce(stopped, current_timestamp) - started));
end
$$ language plpgsql;

-- Rebuilds the joined copy of a host's tags. Too many tags for the column are an error here.
create function recalculate_tags(host_id varchar) returns void as $$
begin
    update host
    set str_tags = (
        select coalesce(string_agg(str_tag, ' ' order by str_tag_type, str_tag), '')
        from host_tag
        where pk_host = host_id
    )
    where pk_host = host_id;
end
$$ language plpgsql;

-- Recounts the subscriptions that Cuebot keeps. Those of managed shows belong to their scheduler.
create function recalculate_subs() returns void as $$
declare
    booked record;
    burst bigint;
begin
    update subscription
    set int_cores = 0, int_gpus = 0
    where pk_show in (select pk_show from show where not b_scheduler_managed);

    for booked in
        select proc.pk_show, host.pk_alloc, sum(int_cores_reserved) as cores, sum(int_gpus_reserved) as gpus
        from proc
        join host using (pk_host)
        join show on show.pk_show = proc.pk_show and not show.b_scheduler_managed
        where not proc.b_local
        group by proc.pk_show, host.pk_alloc
    loop
        -- The true sum may be over the burst, and only an update that changes the burst may say so.
        select int_burst into burst
        from subscription
        where pk_show = booked.pk_show and pk_alloc = booked.pk_alloc;

        update subscription
        set int_burst = booked.cores, int_cores = booked.cores, int_gpus = booked.gpus
        where pk_show = booked.pk_show and pk_alloc = booked.pk_alloc;

        update subscription
        set int_burst = burst
        where pk_show = booked.pk_show and pk_alloc = booked.pk_alloc;
    end loop;
end
$$ language plpgsql;

-- Repairs by hand; nothing calls these three.
create function tmp_populate_sub() returns void as $$
declare
    booked record;
begin
    for booked in
        select proc.pk_show, host.pk_alloc, sum(int_cores_reserved) as cores, sum(int_gpus_reserved) as gpus
        from proc
        join host using (pk_host)
        group by proc.pk_show, host.pk_alloc
    loop
        update subscription
        set int_cores = booked.cores, int_gpus = booked.gpus
        where pk_show = booked.pk_show and pk_alloc = booked.pk_alloc;
    end loop;
end
$$ language plpgsql;

create function tmp_populate_folder() returns void as $$
declare
    booked record;
begin
    for booked in
        select job.pk_folder, sum(int_cores) as cores, sum(int_gpus) as gpus
        from job
        join job_resource using (pk_job)
        group by job.pk_folder
    loop
        update folder_resource
        set int_cores = booked.cores, int_gpus = booked.gpus
        where pk_folder = booked.pk_folder;
    end loop;
end
$$ language plpgsql;

create function tmp_populate_point() returns void as $$
declare
    booked record;
begin
    for booked in
        select job.pk_dept, job.pk_show, sum(int_cores) as cores, sum(int_gpus) as gpus
        from job
        join job_resource using (pk_job)
        group by job.pk_dept, job.pk_show
    loop
        update point
        set int_cores = booked.cores, int_gpus = booked.gpus
        where pk_dept = booked.pk_dept and pk_show = booked.pk_show;
    end loop;
end
$$ language plpgsql;
