//! Tables of ranges and chunks (OPENCUE.md, Frame ranges), and properties for any range.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<FrameRange, RangeError> {
    text.parse()
}

fn frames(text: &str) -> Vec<i64> {
    parse(text).unwrap().frames
}

#[test]
fn ranges_expand_as_in_the_contract() {
    let rows = [
        ("7", "7"),
        ("-5", "-5"),
        ("1-5", "1 2 3 4 5"),
        ("5-1", "5 4 3 2 1"),
        ("-3-2", "-3 -2 -1 0 1 2"),
        ("-5--1", "-5 -4 -3 -2 -1"),
        ("1-10x3", "1 4 7 10"),
        ("1-5x10", "1"),
        ("10-1x-2", "10 8 6 4 2"),
        ("10-1x1", ""),
        ("10-1:1", ""),
        ("1-10y3", "2 3 5 6 8 9"),
        ("1-10y2", "2 4 6 8 10"),
        ("1-5y1", ""),
        ("10-1y-3", "9 8 6 5 3 2"),
        ("1-10:5", "1 6 3 5 7 9 2 4 8 10"),
        ("1-8:4", "1 5 3 7 2 4 6 8"),
        ("1-8:2", "1 3 5 7 2 4 6 8"),
        ("10-1:-4", "10 6 2 8 4 9 7 5 3 1"),
        ("1-5,3-7", "1 2 3 4 5 3 4 5 6 7"),
        ("1-10x2,20,25-27", "1 3 5 7 9 20 25 26 27"),
        // Cuebot refuses the blank and the other scheduler the comma; we accept both.
        ("1-3, 5", "1 2 3 5"),
        (" 1-3,", "1 2 3"),
        ("1-3,, ", "1 2 3"),
    ];
    for (text, expected) in rows {
        let expected: Vec<i64> = expected
            .split_whitespace()
            .map(|n| n.parse().unwrap())
            .collect();
        assert_eq!(frames(text), expected, "{text}");
    }
}

#[test]
fn what_is_no_range_is_refused_and_named() {
    for text in [
        "1-10x0", "1-10:0", "10-1x2", "1-10x-2", "5-5x-1", "1-10y0", "10-1y2",
    ] {
        assert_eq!(
            parse(text),
            Err(RangeError::Step { part: text.into() }),
            "{text}"
        );
    }
    for text in [
        "1-10x3:2", "abc", "1..5", "1-", "-", "--1", "+1", "1 - 3", "1-3z2", "1-3x", "1-3x2 4",
        "١-٣",
    ] {
        assert_eq!(
            parse(text),
            Err(RangeError::Syntax { part: text.into() }),
            "{text}"
        );
    }
    for text in ["", "  ", ",", " , ,"] {
        assert_eq!(parse(text), Err(RangeError::Empty), "{text:?}");
    }
    assert_eq!(
        parse("1,,3"),
        Err(RangeError::Syntax {
            part: String::new()
        })
    );
    let huge = "1-99999999999";
    assert_eq!(parse(huge), Err(RangeError::Number { part: huge.into() }));
}

#[test]
fn a_range_of_too_many_frames_is_refused_without_expanding_it() {
    for text in [
        "1-2000000000",
        "-2147483648-2147483647:2147483647",
        "1-2000000000y2",
        "1-2000000000x2,7",
    ] {
        assert!(
            matches!(parse(text), Err(RangeError::TooLong { frames }) if frames > MAX_FRAMES),
            "{text}"
        );
    }
    let endless = vec!["1-900000"; 50_000].join(",");
    let error = parse(&endless).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the frame range has 1800000 frames, more than 1000000: split the layer"
    );
    assert_eq!(frames("1-1000000").len(), 1_000_000);
    assert_eq!(
        frames("-2147483648-2147483647x2147483647"),
        [-2_147_483_648, -1, 2_147_483_646]
    );
}

#[test]
fn chunks_are_those_of_the_contract() {
    let rows = [
        ("1-10", 4, 3, "4-6", 6),
        ("1-10", 10, 3, "10", 10),
        ("1-10x2", 3, 3, "3-7x2", 7),
        ("1-10x3", 4, 2, "4,7", 7),
        ("1-10:5", 6, 3, "6,3,5", 5),
        ("1-10:5", 1, 5, "1,6,3,5,7", 7),
        ("1-3,7,10-12", 3, 3, "3,7,10", 10),
        ("10-1x-2", 8, 3, "8-4x-2", 4),
        ("10-1", 10, 4, "10-7x-1", 7),
        // Beyond the table: one frame, two in a row, and a chunk larger than the range.
        ("1-10", 4, 1, "4", 4),
        ("1-10", 4, 2, "4-5", 5),
        ("1-10", 1, i64::MAX, "1-10", 10),
        ("-3-2", -3, 4, "-3-0", 0),
    ];
    for (range, first, size, spec, last) in rows {
        let chunk = parse(range).unwrap().chunk(first, size);
        assert_eq!(
            chunk,
            Ok(Chunk {
                first,
                last,
                spec: spec.into()
            }),
            "{range} at {first}, {size}"
        );
    }
}

#[test]
fn a_chunk_that_cannot_be_is_refused() {
    let range = parse("1-10x3").unwrap();
    assert_eq!(range.chunk(2, 1), Err(RangeError::NotInRange { frame: 2 }));
    for size in [0, -1, i64::MIN] {
        assert_eq!(range.chunk(1, size), Err(RangeError::ChunkSize { size }));
    }
    assert_eq!(
        parse("10-1x1").unwrap().chunk(10, 1),
        Err(RangeError::NotInRange { frame: 10 })
    );
}

#[test]
fn a_chunk_begins_at_the_first_occurrence() {
    let chunk = parse("1-5,3-7").unwrap().chunk(4, 4).unwrap();
    assert_eq!((chunk.spec.as_str(), chunk.last), ("4-5,3-4", 4));
}

#[test]
fn the_number_of_a_frame_is_read_with_its_sign() {
    let rows = [
        ("0012-comp", Some(12)),
        ("-001-comp", Some(-1)),
        ("0000-a-b-12", Some(0)),
        ("12", None),
        ("comp-12", None),
        ("--1-comp", None),
        ("-comp", None),
        ("12comp-1", None),
        ("", None),
        ("99999999999999999999-comp", None),
    ];
    for (name, expected) in rows {
        assert_eq!(frame_number(name), expected, "{name}");
    }
}

/// Any part that is a range, written out.
fn any_part() -> impl Strategy<Value = String> {
    (-60..60i64, -60..60i64, 1..9i64, 0..5u8).prop_map(|(from, to, step, form)| {
        let step = if to < from { -step } else { step };
        match form {
            0 => format!("{from}"),
            1 => format!("{from}-{to}"),
            2 => format!("{from}-{to}x{step}"),
            3 => format!("{from}-{to}y{step}"),
            _ => format!("{from}-{to}:{step}"),
        }
    })
}

proptest! {
    #[test]
    fn a_specification_reads_back_as_its_frames(frames in proptest::collection::vec(-20..20i64, 1..40)) {
        prop_assert_eq!(parse(&spec(&frames)).unwrap().frames, frames);
    }

    #[test]
    fn a_specification_of_steps_reads_back_as_its_frames(
        runs in proptest::collection::vec((-50..50i64, -4..4i64, 1..6i64), 1..8),
    ) {
        let frames: Vec<i64> = runs.iter().flat_map(|&(from, step, n)| (0..n).map(move |i| from + i * step)).collect();
        prop_assert_eq!(parse(&spec(&frames)).unwrap().frames, frames);
    }

    #[test]
    fn the_chunks_of_every_size_th_frame_cover_the_range(
        parts in proptest::collection::vec(any_part(), 1..4), size in 1..12i64,
    ) {
        // A submission makes one frame of every size-th member once duplicates are removed.
        let mut seen = HashSet::new();
        let all: Vec<i64> = frames(&parts.join(",")).into_iter().filter(|n| seen.insert(*n)).collect();
        prop_assume!(!all.is_empty());
        let range = parse(&spec(&all)).unwrap();
        let mut covered = Vec::new();
        for &first in all.iter().step_by(size as usize) {
            let chunk = range.chunk(first, size).unwrap();
            let part = frames(&chunk.spec);
            prop_assert_eq!((part.first(), part.last()), (Some(&chunk.first), Some(&chunk.last)));
            covered.extend(part);
        }
        prop_assert_eq!(covered, all);
    }

    #[test]
    fn an_interleaved_part_has_each_frame_once_and_a_skip_is_what_a_step_leaves(
        from in -50..50i64, to in -50..50i64, step in 1..20i64,
    ) {
        let step = if to < from { -step } else { step };
        let sorted = |mut frames: Vec<i64>| { frames.sort_unstable(); frames };
        let plain = sorted(frames(&format!("{from}-{to}")));
        prop_assert_eq!(&sorted(frames(&format!("{from}-{to}:{step}"))), &plain);
        let both = [frames(&format!("{from}-{to}x{step}")), frames(&format!("{from}-{to}y{step}"))].concat();
        prop_assert_eq!(&sorted(both), &plain);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[-0-9xy:, ]{0,24}|\\PC{0,12}", size in any::<i64>(), frame in any::<i64>()) {
        let _number = frame_number(&text);
        if let Ok(range) = parse(&text) {
            prop_assert!(range.frames().len() as i64 <= MAX_FRAMES);
            let _chunk = range.chunk(frame, size);
        }
    }
}
