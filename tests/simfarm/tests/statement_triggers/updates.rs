//! Random updates of frames: single rows as Cuebot writes them, sets, and sets of mixed states.

use cue_simfarm::dice::Dice;

use crate::farm::{FRAMES, JOBS, LAYERS};

const STATES: [&str; 20] = [
    "WAITING",
    "WAITING",
    "WAITING",
    "WAITING",
    "RUNNING",
    "RUNNING",
    "RUNNING",
    "RUNNING",
    "RUNNING",
    "RUNNING",
    "SUCCEEDED",
    "SUCCEEDED",
    "SUCCEEDED",
    "DEAD",
    "DEAD",
    "EATEN",
    "DEPEND",
    "CHECKPOINT",
    "CHECKPOINT",
    "DEPEND",
];
const TIMES: [&str; 6] = [
    "null::timestamptz",
    "current_timestamp",
    "current_timestamp + interval '1 second'",
    "'2020-01-01 00:00:00+00'::timestamptz",
    "'2020-01-02 00:00:00+00'::timestamptz",
    "'2020-01-03 00:00:00+00'::timestamptz",
];
const HOSTS: [&str; 3] = ["'h.name'", "'nowhere'", "null"];
const CHECKPOINTS: [&str; 4] = ["DISABLED", "DISABLED", "ENABLED", "COMPLETE"];
const EXITS: [i32; 5] = [-1, 0, 1, 286, 299];

fn pick<T: Copy>(dice: &mut Dice, from: &[T]) -> T {
    *dice.pick(from).unwrap()
}

fn state(dice: &mut Dice) -> &'static str {
    // No counter exists for SETUP, so both kinds of trigger refuse the update.
    if dice.below(150) == 0 {
        return "SETUP";
    }
    pick(dice, &STATES)
}

fn frame(dice: &mut Dice) -> String {
    format!("'x{}'", dice.below(FRAMES))
}

fn frames(dice: &mut Dice) -> String {
    let count = 1 + dice.below(FRAMES / 2);
    let mut all: Vec<String> = (0..count).map(|_| frame(dice)).collect();
    all.sort();
    all.dedup();
    all.join(", ")
}

/// The assignments of an update to one state.
fn assignments(dice: &mut Dice) -> String {
    let state = state(dice);
    let depend = if dice.below(8) == 0 {
        ", int_depend_count = 1"
    } else {
        ", int_depend_count = 0"
    };
    format!(
        "str_state = '{state}', ts_started = {}, ts_stopped = {}, int_exit_status = {}, str_host = {}, \
         str_checkpoint_state = '{}', int_mem_max_used = {}, int_gpu_mem_max_used = {}, int_cores = {}, \
         int_version = int_version + 1{depend}",
        pick(dice, &TIMES),
        pick(dice, &TIMES),
        pick(dice, &EXITS),
        pick(dice, &HOSTS),
        pick(dice, &CHECKPOINTS),
        dice.below(1_000),
        dice.below(10),
        100 + dice.below(4) * 100,
    )
}

/// An update that gives every frame of a set a state and times of its own.
fn mixed(dice: &mut Dice) -> String {
    let ids = frames(dice);
    let rows: Vec<String> = ids
        .split(", ")
        .map(|id| {
            let (state, exit) = (state(dice), pick(dice, &EXITS));
            let (started, stopped) = (pick(dice, &TIMES), pick(dice, &TIMES));
            format!("({id}, '{state}', {started}, {stopped}, {exit})")
        })
        .collect();
    format!(
        "update frame f set str_state = v.state, ts_started = v.started, ts_stopped = v.stopped, \
         int_exit_status = v.status, str_host = 'h.name' \
         from (values {}) v(id, state, started, stopped, status) where f.pk_frame = v.id",
        rows.join(", ")
    )
}

/// One statement.
pub fn update(dice: &mut Dice) -> String {
    match dice.below(11) {
        0..=3 => format!(
            "update frame set {} where pk_frame = {}",
            assignments(dice),
            frame(dice)
        ),
        4 => format!(
            "update frame set int_mem_used = 7, ts_updated = current_timestamp where pk_frame in ({})",
            frames(dice)
        ),
        5 => format!(
            "update frame set {} where pk_frame in ({})",
            assignments(dice),
            frames(dice)
        ),
        6 => format!(
            "update frame set {} where pk_layer = 'l{}'",
            assignments(dice),
            dice.below(LAYERS)
        ),
        7 => format!(
            "update frame set {} where pk_job = 'j{}' and str_state <> 'SUCCEEDED'",
            assignments(dice),
            dice.below(JOBS)
        ),
        8 => mixed(dice),
        9 => {
            let layer = dice.below(LAYERS);
            format!(
                "with others as (update frame set {} where pk_layer <> 'l{layer}' and pk_frame in ({})) \
                 update frame set {} where pk_layer = 'l{layer}'",
                assignments(dice),
                frames(dice),
                assignments(dice)
            )
        }
        _ => format!(
            "insert into frame select * from frame where pk_frame in ({}) \
             on conflict (pk_frame) do update set {}",
            frames(dice),
            assignments(dice).replace(
                "int_version = int_version + 1",
                "int_version = excluded.int_version + 1"
            )
        ),
    }
}
