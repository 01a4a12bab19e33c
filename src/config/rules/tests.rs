//! Forms of values, accepted and refused.

use super::*;

#[test]
fn sizes_need_a_unit_and_keep_every_kib() {
    for (text, kib) in [("1KiB", 1), ("256MiB", 262_144), ("2 GiB", 2_097_152)] {
        assert_eq!(parse_size(text), Some(Kib(kib)), "{text}");
    }
    for bad in [
        "256",
        "256MB",
        "-1KiB",
        "1.5GiB",
        "",
        "KiB",
        "99999999999GiB",
    ] {
        assert_eq!(parse_size(bad), None, "{bad}");
    }
    assert_eq!(size_text(Kib(262_144)), "256MiB");
    assert_eq!(size_text(Kib(0)), "0KiB");
}

#[test]
fn never_is_a_zero_and_other_times_need_a_unit() {
    let rule = duration_or_never(Duration::from_secs(1)..=Duration::from_secs(60));
    assert_eq!((rule.parse)("0"), Some(None));
    assert_eq!((rule.parse)("30s"), Some(Some(Duration::from_secs(30))));
    for bad in ["30", "2m", "1ms", ""] {
        assert_eq!((rule.parse)(bad), None, "{bad}");
    }
}

#[test]
fn ranges_include_both_ends() {
    let rule = number(1_u16..=9);
    for (text, value) in [
        ("1", Some(1)),
        ("9", Some(9)),
        ("0", None),
        ("10", None),
        ("x", None),
    ] {
        assert_eq!((rule.parse)(text), value, "{text}");
    }
    let rule = count(9);
    let counted = ["0", "1", "9", "10"].map(|text| (rule.parse)(text).map(NonZeroUsize::get));
    assert_eq!(counted, [None, Some(1), Some(9), None]);
}

#[test]
fn lists_are_trimmed_and_have_no_empty_elements() {
    assert_eq!(
        (list().parse)(" a, b ,,c"),
        Some(vec!["a".into(), "b".into(), "c".into()])
    );
    assert_eq!((list().parse)(""), Some(vec![]));
    let statuses = numbers(1..=400);
    assert_eq!((statuses.parse)(" 330, 75 "), Some(vec![330, 75]));
    assert_eq!((statuses.parse)(""), Some(vec![]));
    for bad in ["x", "0", "401", "330;75", "1 2"] {
        assert_eq!((statuses.parse)(bad), None, "{bad}");
    }
}
