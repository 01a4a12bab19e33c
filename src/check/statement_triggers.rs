//! The statement triggers of `config/sql/statement-triggers.sql`, if they were installed.

use cue_store::{StatementTrigger, Store};

use super::finding::{Finding, fail, judged, ok, warn};

/// The page about them.
const GUIDE: &str = "config/guides/statement-triggers.md";

/// One finding a trigger; nothing where none was installed.
pub(super) async fn look(store: &Store) -> Vec<Finding> {
    let installed = store.check_statement_triggers().await;
    judged("triggers", installed, |installed| {
        installed.iter().map(finding).collect::<Vec<_>>()
    })
}

fn finding(trigger: &StatementTrigger) -> Finding {
    let StatementTrigger { name, replaced, .. } = trigger;
    let renew = format!("run statement-triggers-undo.sql, then statement-triggers.sql ({GUIDE})");
    if !trigger.stands {
        let now = if trigger.row_trigger {
            "OpenCue's row trigger is back"
        } else {
            "neither is there"
        };
        return warn(
            format!("the statement trigger {name} was installed, and {now}"),
            renew,
        );
    }
    if trigger.row_trigger {
        return fail(
            format!(
                "the statement trigger {name} and a row trigger with {replaced}() stand side by side, so everything is written twice"
            ),
            "drop the row trigger, and have Cuebot count the frames again",
        );
    }
    if !trigger.marked {
        return fail(
            format!(
                "the statement trigger {name} does nothing, because trigger cue_mark_frame_states is missing or switched off"
            ),
            "run statement-triggers.sql again, and have Cuebot count the frames again",
        );
    }
    if trigger.outdated {
        return warn(
            format!(
                "{replaced}() has changed since the statement trigger {name} was installed in its place"
            ),
            format!(
                "run statement-triggers-undo.sql, and see in {GUIDE} which versions of the schema the file knows"
            ),
        );
    }
    ok(format!(
        "{name} runs once a statement, in place of OpenCue's row trigger"
    ))
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_trigger_is_judged_by_what_stands_beside_it() {
        let sound = StatementTrigger {
            name: "update_frame_status_counts".to_owned(),
            replaced: "trigger__update_frame_status_counts".to_owned(),
            stands: true,
            marked: true,
            row_trigger: false,
            outdated: false,
        };
        let of = |change: fn(&mut StatementTrigger)| {
            let mut trigger = sound.clone();
            change(&mut trigger);
            finding(&trigger).verdict
        };
        assert_eq!(of(|_| ()), Verdict::Ok);
        assert_eq!(of(|trigger| trigger.outdated = true), Verdict::Warn);
        assert_eq!(of(|trigger| trigger.marked = false), Verdict::Fail);
        assert_eq!(of(|trigger| trigger.row_trigger = true), Verdict::Fail);
        let back = |trigger: &mut StatementTrigger| {
            (trigger.stands, trigger.row_trigger) = (false, true);
        };
        assert_eq!(of(back), Verdict::Warn);
    }
}
