//! A farm of three jobs, and statements on it.

use cue_simfarm::postgres::TestDb;
use cue_simfarm::schema::SchemaVersion;

/// Frames of the farm, called `x0`, `x1` and so on.
pub const FRAMES: u64 = 48;
/// Layers, `l0` and so on, of [`FRAMES`] divided by this number each.
pub const LAYERS: u64 = 8;
/// Jobs, `j0` and so on. Layer `n` is of job `n` modulo this.
pub const JOBS: u64 = 3;

const SEED: &str = "
    insert into facility (pk_facility, str_name) values ('fac', 'fac');
    insert into dept (pk_dept, str_name) values ('d', 'd');
    insert into show (pk_show, str_name) values ('s', 's');
    insert into alloc (pk_alloc, str_name, str_tag, pk_facility) values ('a', 'fac.a', 't', 'fac');
    insert into folder (pk_folder, pk_show, pk_dept, str_name) values ('f', 's', 'd', 'f');
    insert into point (pk_point, pk_dept, pk_show) values ('p', 'd', 's');
    insert into job (pk_job, pk_folder, pk_show, pk_facility, pk_dept, str_name, str_visible_name, str_shot, str_user, str_state)
        select 'j' || n, 'f', 's', 'fac', 'd', 'j' || n, 'j' || n, 'shot', 'user', 'PENDING' from generate_series(0, 2) n;
    insert into layer (pk_layer, pk_job, str_name, str_cmd, str_range, str_type)
        select 'l' || n, 'j' || n % 3, 'l' || n, 'true', '1-6', 'RENDER' from generate_series(0, 7) n;
    insert into frame (pk_frame, pk_layer, pk_job, str_name, str_state, int_number, int_layer_order)
        select 'x' || n, 'l' || n % 8, 'j' || n % 8 % 3, 'x' || n, case n % 6 when 0 then 'SETUP' else 'WAITING' end, n, 1
        from generate_series(0, 47) n;
    update layer_stat s set int_total_count = 6,
        int_waiting_count = (select count(*) from frame f where f.pk_layer = s.pk_layer and f.str_state = 'WAITING');
    update job_stat s set
        int_waiting_count = (select count(*) from frame f where f.pk_job = s.pk_job and f.str_state = 'WAITING');
    insert into host (pk_host, pk_alloc, str_name, str_lock_state, int_cores, int_cores_idle,
                      int_mem, int_mem_idle, int_gpus, int_gpus_idle, int_gpu_mem, int_gpu_mem_idle)
        values ('h', 'a', 'h.name', 'OPEN', 3200, 3200, 1000, 1000, 2, 2, 50, 50);
";

/// The farm, in a database with this version of the schema.
pub async fn farm(version: SchemaVersion) -> TestDb {
    let db = TestDb::at(version).await;
    db.run(SEED).await;
    db
}
