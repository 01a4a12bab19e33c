//! The pages made from the settings, and the sample file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::*;
use crate::config::{Origin, listing, reference};

fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("config")
        .join(name)
}

#[test]
fn keys_and_variables_are_unique() {
    let effective = with(&[]).effective;
    let keys: BTreeSet<_> = effective.iter().map(|entry| entry.setting.key).collect();
    let variables: BTreeSet<_> = effective.iter().map(|entry| entry.setting.env).collect();
    assert_eq!(
        (keys.len(), variables.len()),
        (effective.len(), effective.len())
    );
}

#[test]
fn every_variable_reaches_its_setting() {
    for entry in with(&[]).effective {
        let loaded = load(None, &environment(&[(entry.setting.env, "x")]), &[]);
        let after = loaded
            .effective
            .into_iter()
            .find(|after| after.setting.key == entry.setting.key)
            .unwrap();
        assert_eq!(after.origin, Origin::Environment(entry.setting.env));
        assert_ne!(after.value, entry.value);
    }
}

#[test]
fn the_reference_page_is_what_the_program_prints() {
    let written = std::fs::read_to_string(page("SETTINGS.md")).unwrap();
    let printed = reference(&load(None, &environment(&[]), &[]).effective);
    assert!(
        written == printed,
        "config/SETTINGS.md differs, write it again with `cue-scheduler config --reference`"
    );
}

#[test]
fn the_sample_file_says_the_defaults_and_leaves_no_setting_out() {
    let sample = page("cue-scheduler.toml");
    let text = std::fs::read_to_string(&sample).unwrap();
    let loaded = load(Some(&sample), &environment(&[]), &[]);
    assert!(loaded.settings.is_ok(), "{:?}", loaded.settings);
    for entry in loaded.effective {
        let setting = entry.setting;
        let name = setting.key.rsplit('.').next().unwrap();
        if setting.default.is_some() {
            assert!(
                matches!(entry.origin, Origin::File(_)),
                "{} is left out",
                setting.key
            );
            assert_eq!(entry.value.as_deref(), setting.default, "{}", setting.key);
        } else {
            assert!(
                text.contains(&format!("{name} = ")),
                "{} is left out",
                setting.key
            );
        }
    }
}

#[test]
fn the_listing_is_a_settings_file_that_gives_the_same_settings() {
    let pairs = [
        ("CUE_IGNORE_TAGS", "a, b"),
        ("CUE_LOG", "warn,cue_flow=debug"),
        ("CUE_DRY_RUN", "TRUE"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.5"),
    ];
    let loaded = with(&pairs);
    let text = listing(&loaded.effective);
    assert!(
        text.contains("\"postgresql://cue:***@db:5432/cue\""),
        "{text}"
    );
    assert!(!text.contains("hidden"), "{text}");
    assert!(text.contains("# env CUE_IGNORE_TAGS"), "{text}");
    assert!(text.contains("# feed.facility is not set"), "{text}");
    let file = file(&text);
    let again = load(Some(file.path()), &environment(&[URL]), &[]);
    let settings = |loaded: Loaded| format!("{:?}", loaded.settings.unwrap());
    assert_eq!(settings(again), settings(loaded));
}
