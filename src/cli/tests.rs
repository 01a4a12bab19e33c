//! The command line as it is read.

use std::collections::BTreeMap;

use super::*;

fn words(line: &str) -> Vec<OsString> {
    line.split(' ').map(OsString::from).collect()
}

fn overrides(line: &str) -> Overrides {
    match parse(words(line)).unwrap() {
        Command::Run(overrides) | Command::Config { overrides, .. } => overrides,
        other => panic!("{other:?} has no overrides"),
    }
}

fn shown(line: &str, as_reference: bool) -> (Exit, String, String) {
    let loaded = overrides(line).load(&BTreeMap::new());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = show(&loaded, as_reference, &mut out, &mut err).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (exit, text(out), text(err))
}

#[test]
fn flags_become_settings() {
    let line = "cue-scheduler run --dry-run -f local --ignore-tags a,b --exit-when-idle 3 \
                --database-url postgres://h/d --set rqd.port=1 --set feed.facility=other";
    let settings = overrides(line).load(&BTreeMap::new()).settings.unwrap();
    assert!(settings.booking.dry_run);
    assert_eq!(settings.feed.facility.as_deref(), Some("local"));
    assert_eq!(settings.feed.ignore_tags, ["a", "b"]);
    assert_eq!(settings.feed.exit_when_idle.unwrap().get(), 3);
    assert_eq!(settings.rqd.port, 1);
}

#[test]
fn the_service_to_look_at_is_named_or_that_of_the_settings() {
    let address = |line: &str| {
        let environment = BTreeMap::from([("CUE_ADMIN_ADDR".to_owned(), "127.0.0.1:7".to_owned())]);
        match parse(words(line)).unwrap() {
            Command::Top { whom, .. } => whom.address(&environment),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        address("cue-scheduler top --addr farm:9090").unwrap(),
        "farm:9090"
    );
    assert_eq!(address("cue-scheduler top --once").unwrap(), "127.0.0.1:7");
    let unread = address("cue-scheduler top --config /nowhere.toml").unwrap_err();
    assert!(
        unread.starts_with("settings file /nowhere.toml: "),
        "{unread}"
    );
    let flag = Flag {
        name: "--set".to_owned(),
        key: "admin.addr".to_owned(),
        value: "off".to_owned(),
    };
    let off = load(None, &BTreeMap::new(), &[flag]);
    let off = admin_address(&off).unwrap_err();
    assert!(off.contains("switched off"), "{off}");
}

#[test]
fn a_bad_command_line_ends_like_bad_settings_and_help_does_not() {
    for bad in [
        "cue-scheduler",
        "cue-scheduler walk",
        "cue-scheduler run --fast",
        "cue-scheduler run --set rqd.port",
        "cue-scheduler why ",
    ] {
        assert_eq!(parse(words(bad)).unwrap_err(), Exit::BadSettings, "{bad}");
    }
    for good in ["cue-scheduler --help", "cue-scheduler --version"] {
        assert_eq!(parse(words(good)).unwrap_err(), Exit::Clean, "{good}");
    }
}

#[test]
fn config_prints_the_settings_even_when_some_are_bad() {
    let (exit, out, err) = shown("cue-scheduler config --set rqd.port=0", false);
    assert_eq!(exit, Exit::BadSettings);
    assert!(out.contains("rqd.port = 0 "), "{out}");
    assert!(out.contains("# flag --set"), "{out}");
    assert!(err.starts_with("2 faults"), "{err}");
}

#[test]
fn the_reference_needs_no_good_settings() {
    let (exit, out, err) = shown("cue-scheduler config", true);
    assert_eq!((exit, err.as_str()), (Exit::Clean, ""));
    assert!(
        out.contains("| `rqd.port` | `CUE_RQD_PORT` | `8444` |"),
        "{out}"
    );
}
