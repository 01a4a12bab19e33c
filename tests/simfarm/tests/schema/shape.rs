//! The shape of the schema: what is there, and under which names.

use std::collections::BTreeSet;

use crate::farm::Farm;

/// Table, trigger, timing; triggers of one timing fire in the order of their names.
const TRIGGERS: [&str; 36] = [
    "folder.after_insert_folder AFTER INSERT",
    "folder.before_delete_folder BEFORE DELETE",
    "folder.before_insert_folder BEFORE INSERT",
    "folder_resource.tier_folder BEFORE UPDATE",
    "frame.frame_history_open AFTER UPDATE",
    "frame.set_frame_ts_eligible_on_insert BEFORE INSERT",
    "frame.set_frame_ts_eligible_setup_to_wait BEFORE UPDATE",
    "frame.update_frame_checkpoint_state BEFORE UPDATE",
    "frame.update_frame_dep_to_wait BEFORE UPDATE",
    "frame.update_frame_eaten BEFORE UPDATE",
    "frame.update_frame_status_counts AFTER UPDATE",
    "frame.update_frame_wait_to_dep BEFORE UPDATE",
    "frame_history.tbiu_frame_history BEFORE INSERT OR UPDATE",
    "host.before_delete_host BEFORE DELETE",
    "host.verify_host_resources BEFORE UPDATE",
    "host_local.tier_host_local BEFORE UPDATE",
    "host_local.verify_host_local BEFORE UPDATE",
    "job.after_insert_job AFTER INSERT",
    "job.after_job_dept_update AFTER UPDATE",
    "job.after_job_finished AFTER UPDATE",
    "job.after_job_moved AFTER UPDATE",
    "job.before_delete_job BEFORE DELETE",
    "job_history.tbiu_job_history BEFORE INSERT OR UPDATE",
    "job_local.verify_job_local BEFORE UPDATE",
    "job_resource.tier_job BEFORE UPDATE",
    "job_resource.verify_job_resources BEFORE UPDATE",
    "layer.after_insert_layer AFTER INSERT",
    "layer.before_delete_layer BEFORE DELETE",
    "layer.before_delete_layer_drop_limit BEFORE DELETE",
    "layer_history.tbiu_layer_history BEFORE INSERT OR UPDATE",
    "point.point_tier BEFORE UPDATE",
    "proc.before_insert_proc BEFORE INSERT",
    "proc.update_proc_update_layer AFTER UPDATE",
    "proc.upgrade_proc_memory_usage AFTER UPDATE",
    "subscription.tier_subscription BEFORE UPDATE",
    "subscription.verify_subscription BEFORE UPDATE",
];

#[tokio::test]
async fn every_trigger_of_the_contract_is_there_and_no_other() {
    let farm = Farm::new().await;
    let found: String = farm
        .one(
            "select string_agg(c.relname || '.' || t.tgname || ' ' || case when t.tgtype & 2 > 0 then 'BEFORE' else 'AFTER' end || ' '
                               || concat_ws(' OR ', case when t.tgtype & 4 > 0 then 'INSERT' end,
                                            case when t.tgtype & 8 > 0 then 'DELETE' end,
                                            case when t.tgtype & 16 > 0 then 'UPDATE' end), ',')
             from pg_trigger t join pg_class c on c.oid = t.tgrelid where not t.tgisinternal and t.tgtype & 1 = 1",
        )
        .await;
    let found: BTreeSet<&str> = found.split(',').collect();
    let wanted: BTreeSet<&str> = TRIGGERS.into_iter().collect();
    assert_eq!(found, wanted);
}

#[tokio::test]
async fn the_settings_and_locks_that_cuebot_looks_for_are_there() {
    let farm = Farm::new().await;
    assert_eq!(
        farm.one::<i64>("select int_value from config where str_key = 'MAX_FRAME_RETRIES'")
            .await,
        16
    );
    let locks = "select string_agg(str_name || '=' || int_timeout, ' ' order by str_name) from task_lock where int_lock = 0";
    farm.shows(locks, "LOCK_HARDWARE_STATE_CHECK=30 LOCK_HISTORICAL_TRANSFER=3600 LOCK_ORPHANED_FRAME_CHECK=300000 \
         LOCK_ORPHANED_PROC_CHECK=30 LOCK_STUCK_DEPENDENCY_RECOVERY=600 LOCK_SUBSCRIPTION_RECALCULATION=7200 \
         LOCK_TASK_UPDATE=3600").await;
}

#[tokio::test]
async fn the_expressions_that_queries_spell_have_their_indexes() {
    let farm = Farm::new().await;
    for (index, part) in [
        (
            "idx_layer_tags_array",
            "gin (string_to_array(replace((str_tags)::text, ' '::text, ''::text), '|'::text))",
        ),
        (
            "idx_layer_stat_waiting",
            "(pk_layer) WHERE (int_waiting_count > 0)",
        ),
        (
            "idx_job_pending_lookup",
            "(pk_show, pk_facility, str_state, b_paused) WHERE",
        ),
        (
            "i_layer_start_after",
            "(ts_start_after) WHERE (ts_start_after IS NOT NULL)",
        ),
        ("i_frame_pkjoblayer", "(pk_layer)"),
        ("i_frame_state_job", "(str_state, pk_job)"),
    ] {
        let all: String = farm
            .one("select string_agg(indexdef, E'\\n') from pg_indexes where schemaname = 'public'")
            .await;
        let def = all.lines().find(|def| def.contains(&format!(" {index} ")));
        assert!(
            def.is_some_and(|def| def.contains(part)),
            "{index}: {def:?}"
        );
    }
}

#[tokio::test]
async fn one_frame_runs_once_and_a_name_lives_once() {
    let farm = Farm::new().await;
    let proc = "insert into proc (pk_proc, pk_host, pk_frame, int_cores_reserved, int_mem_reserved)
                values (uuid_generate_v4(), 'h', 'x1', 100, 1)";
    farm.run(proc).await;
    let (code, message) = farm.refused(proc).await;
    assert_eq!(code, "23505");
    assert!(message.contains("c_proc_uk"), "{message}");
    let twin = "insert into job (pk_job, pk_folder, pk_show, pk_facility, pk_dept, str_name, str_visible_name, str_shot, str_user, str_state)
                values (uuid_generate_v4(), 'f', 's', 'fac', 'd', 'j', 'j', 'shot', 'user', 'PENDING')";
    let (code, message) = farm.refused(twin).await;
    assert_eq!(code, "23505");
    assert!(message.contains("c_job_uk"), "{message}");
    farm.run("update job set str_visible_name = null").await;
    farm.run(twin).await;
}
