-- Copies of the tables that OpenCue's row triggers on `frame` write, with these triggers at work on the copies.
create schema shadow;

do $$
declare
    name text;
    old_trigger record;
begin
    foreach name in array array['layer_stat', 'job_stat', 'frame_history'] loop
        execute format('create table shadow.%1$I (like %1$I including all)', name);
        execute format('insert into shadow.%1$I table %1$I', name);
    end loop;
    create trigger tbiu_frame_history before insert or update on shadow.frame_history
    for each row execute function trigger__tbiu_frame_history();

    for old_trigger in
        select t.tgname, pg_get_triggerdef(t.oid) as definition, p.proname, p.prosrc
        from pg_trigger t
        join pg_proc p on p.oid = t.tgfoid
        where t.tgrelid = 'frame'::regclass and t.tgname in ('update_frame_status_counts', 'frame_history_open')
    loop
        execute format('create function shadow.%I() returns trigger language plpgsql set search_path = shadow, public as %L',
            old_trigger.proname, old_trigger.prosrc);
        execute replace(replace(old_trigger.definition, 'CREATE TRIGGER ', 'CREATE TRIGGER shadow_'),
            'EXECUTE FUNCTION ', 'EXECUTE FUNCTION shadow.');
    end loop;
end
$$;
