//! Rights that a role loses while the service runs as it.

use crate::fault::Fault;
use crate::row::Row;

/// Rights that a booking needs, at each of its steps.
const RIGHTS: [(&str, &str); 8] = [
    ("SELECT", "layer"),
    ("UPDATE", "layer"),
    ("UPDATE", "frame"),
    ("UPDATE", "host"),
    ("INSERT", "proc"),
    ("SELECT", "layer_env"),
    ("UPDATE", "subscription"),
    ("UPDATE", "folder_resource"),
];

/// Rows in which one right is missing.
pub fn rows() -> Vec<Row> {
    let row = |(right, table): &(&str, &'static str)| {
        let fault = Fault::Statements(
            format!("REVOKE {right} ON {table} FROM {{role}}"),
            format!("GRANT {right} ON {table} TO {{role}}"),
        );
        Row::stands(format!("{right} on {table} revoked"), fault).with_own_role(table)
    };
    RIGHTS.iter().map(row).collect()
}
