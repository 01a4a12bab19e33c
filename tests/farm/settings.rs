//! Starting the real program with a fault: it names the fault, and the exit code names its kind.

use crate::ended::ended;
use crate::world::yard;

/// A port of loopback where nobody listens: it was free a moment ago.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn all_faults_of_the_settings_are_named_at_once() {
    let bad = [
        ("CUE_RQD_PORT", "70000"),
        ("CUE_DATABASE_POOL", "3"),
        ("CUE_EMPTY_BACKOFF", "soon"),
        ("CUE_BATCH_LAYERS", "500"),
        ("CUE_NO_SUCH_SETTING", "1"),
    ];
    let ended = ended(&["run"], &bad).await;
    assert_eq!(ended.status.code(), Some(64));
    let said = String::from_utf8(ended.stderr).unwrap();
    // Those five, and that there is no database.
    assert!(said.starts_with("6 faults"), "{said}");
    for named in [
        "CUE_RQD_PORT",
        "70000",
        "CUE_DATABASE_POOL",
        "CUE_EMPTY_BACKOFF",
        "soon",
        "lock.batch_layers",
        "CUE_NO_SUCH_SETTING",
        "CUE_DATABASE_URL",
    ] {
        assert!(said.contains(named), "{named} is not named in:\n{said}");
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_at_the_start_is_named_with_what_to_do() {
    let place = nobody();
    let url = format!("postgres://cue:secret@{place}/farm");
    let environment = [("DATABASE_URL", url.as_str()), ("CUE_ADMIN_ADDR", "off")];
    let ended = ended(&["run"], &environment).await;
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8(ended.stderr).unwrap();
    let wanted = format!("cannot connect to the database at {place}/farm");
    assert!(said.contains(&wanted), "{said}");
    assert!(said.contains("CUE_DATABASE_URL"), "{said}");
    assert!(!said.contains("secret"), "{said}");
}

#[tokio::test]
async fn an_unknown_facility_is_refused_with_the_known_ones() {
    let (db, _farm) = yard(1).await;
    let environment = [
        ("CUE_DATABASE_URL", db.url.as_str()),
        ("CUE_ADMIN_ADDR", "off"),
    ];
    let ended = ended(&["run", "--facility", "nowhere"], &environment).await;
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8(ended.stderr).unwrap();
    let wanted = "facility `nowhere` does not exist; the database has yard";
    assert!(said.contains(wanted), "{said}");
}

#[tokio::test]
async fn settings_can_be_printed_without_a_database() {
    let environment = [("CUE_DATABASE_URL", "postgres://cue:secret@farm-db/farm")];
    let ended = ended(&["config"], &environment).await;
    assert_eq!(ended.status.code(), Some(0));
    let said = String::from_utf8(ended.stdout).unwrap();
    assert!(said.contains("rqd.port = 8444"), "{said}");
    assert!(
        said.contains("CUE_DATABASE_URL"),
        "where it came from: {said}"
    );
    assert!(!said.contains("secret"), "{said}");
}
