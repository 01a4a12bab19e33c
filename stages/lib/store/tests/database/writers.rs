//! Writers beside a mirror that is kept by looks.

use cue_simfarm::dice::Dice;
use sqlx::{Postgres, Transaction};
use tokio::sync::RwLock;

/// Ends a writer's transaction, sometimes late and sometimes by a rollback, while no comparison holds `commits`.
///
/// # Errors
/// The database refused it.
pub async fn end(
    tx: Transaction<'static, Postgres>,
    dice: &mut Dice,
    commits: &RwLock<()>,
) -> Result<(), sqlx::Error> {
    if dice.below(4) == 0 {
        tokio::time::sleep(dice.ms(10, 120)).await;
    }
    let open = commits.read().await;
    if dice.below(5) == 0 {
        tx.rollback().await?;
    } else {
        tx.commit().await?;
    }
    drop(open);
    Ok(())
}
