//! Rows that somebody holds for seconds.

use crate::fault::Fault;
use crate::row::Row;

/// A row of each table that a booking locks or writes.
pub fn rows() -> Vec<Row> {
    let others = |name: &str, lock: &str| Row::goes_on(name, Fault::Open(lock.to_owned()));
    vec![
        Row::held("job", "pk_job = '{job}'"),
        Row::held("layer", "pk_layer = '{layer}'"),
        Row::held("frame", "pk_frame = '{frame}'"),
        Row::held("layer_stat", "pk_layer = '{layer}'"),
        Row::held("job_stat", "pk_job = '{job}'"),
        Row::held("layer_resource", "pk_layer = '{layer}'"),
        Row::held("job_resource", "pk_job = '{job}'"),
        Row::held("folder_resource", "pk_folder = '{folder}'"),
        Row::held("limit_record", "pk_limit_record = '{licence}'"),
        Row::held("point", "pk_point = '{point}'").only_other_show(),
        Row::held("subscription", "pk_subscription = '{subscription}'").only_other_show(),
        others(
            "row of host held",
            "SELECT 1 FROM host WHERE pk_host = '{host}' FOR UPDATE",
        ),
        others(
            "rows of all host_stat held",
            "SELECT 1 FROM host_stat FOR UPDATE",
        ),
        others("rows of all procs held", "SELECT 1 FROM proc FOR UPDATE"),
        others(
            "rows of show and facility held",
            // As an operator who changes them: other programs may still add jobs.
            "SELECT 1 FROM show, facility FOR NO KEY UPDATE",
        ),
    ]
}
