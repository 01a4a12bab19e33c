//! The storm: one fault after another, and in the end a calm farm.
//!
//! Two things are kept apart, because nobody can distinguish them afterwards: a launch whose
//! answer is lost, and a Cuebot that is away while the frame ends. The host has forgotten the frame
//! by then, and no row says that it ran.

use std::time::{Duration, Instant};

use cue_simfarm::dice::{Dice, from_environment};
use cue_simfarm::rqd::{Fault, FrameDuration};

use crate::farm::{Farm, HOSTS};
use crate::operators::Operators;

/// The longest run of a frame.
const LONGEST: Duration = Duration::from_millis(600);

/// Faults under which a launch may run though its answer is lost.
const LOST: [Fault; 2] = [Fault::DropReplyAfterLaunch, Fault::StallAfterLaunch];

/// The other faults.
const CLEAR: [Fault; 4] = [
    Fault::RefuseForNow,
    Fault::RefuseForRoom,
    Fault::Stall,
    Fault::Vanish,
];

/// A fault, or a Cuebot that is away, until a moment.
struct Storm {
    farm: Farm,
    dice: Dice,
    operators: Operators,
    faults: Vec<(String, Instant)>,
    /// Until when frames may run whose launch got no answer.
    doubt: Instant,
    back: Option<Instant>,
    starts: Vec<(usize, Instant)>,
    aways: u32,
}

impl Storm {
    async fn strike(&mut self) {
        match self.dice.below(10) {
            0..=2 => self.kill().await,
            3..=4 => {
                self.break_host(&CLEAR);
            }
            5 if self.back.is_none() => {
                let until = self.break_host(&LOST);
                self.doubt = self.doubt.max(until + LONGEST);
            }
            5..=6 => self.send_cuebot_away(),
            _ => self.operators.act(&self.farm, &mut self.dice).await,
        }
    }

    /// Kills a replica at a random moment, or in the middle of a launch, and starts it again soon.
    async fn kill(&mut self) {
        let victim = self.dice.below(self.farm.replicas.len() as u64) as usize;
        if self.starts.iter().any(|(n, _)| *n == victim) {
            return;
        }
        if self.dice.below(2) == 0 {
            let asked = self.farm.rqd.counts().asked;
            let next = self.farm.rqd.asked(asked + 1);
            let _ = tokio::time::timeout(Duration::from_millis(200), next).await;
        }
        self.farm.replicas[victim].kill().await;
        let again = Instant::now() + self.dice.ms(0, 600);
        self.starts.push((victim, again));
    }

    /// Gives a host a fault, and says until when.
    fn break_host(&mut self, faults: &[Fault]) -> Instant {
        let host = format!("node{}", 1 + self.dice.below(HOSTS as u64));
        let until = Instant::now() + self.dice.ms(100, 2_500);
        if let Some(fault) = self.dice.pick(faults) {
            self.farm.rqd.set_fault(&host, *fault);
            self.faults.push((host, until));
        }
        until
    }

    fn send_cuebot_away(&mut self) {
        if self.back.is_some() || self.doubt > Instant::now() {
            return;
        }
        self.farm.cuebot.go_away();
        self.aways += 1;
        // Less than it takes until a booking counts as forgotten: a replica that was killed in the
        // middle of a launch has recorded nothing of it.
        self.back = Some(Instant::now() + self.dice.ms(50, 2_500));
    }

    /// Ends what has lasted long enough.
    fn mend(&mut self, now: Instant) {
        let (over, lasting) = std::mem::take(&mut self.faults)
            .into_iter()
            .partition(|(_, until)| *until <= now);
        self.faults = lasting;
        let over: Vec<(String, Instant)> = over;
        for (host, _) in over {
            self.farm.rqd.set_fault(&host, Fault::None);
        }
        if self.back.is_some_and(|back| back <= now) {
            self.farm.cuebot.come_back();
            self.back = None;
        }
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.starts)
            .into_iter()
            .partition(|(_, at)| *at <= now);
        self.starts = later;
        for (n, _) in due {
            self.farm.replicas[n].start();
        }
    }

    /// Mends everything and brings everybody back.
    async fn calm(&mut self) {
        for (host, _) in self.faults.drain(..) {
            self.farm.rqd.set_fault(&host, Fault::None);
        }
        self.farm.cuebot.come_back();
        self.operators.relent(&self.farm).await;
        for replica in &mut self.farm.replicas {
            replica.start();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_storm_of_faults_loses_no_frame_runs_none_twice_and_leaves_every_counter_exact() {
    let seed = from_environment("CUE_TEST_SEED", 1);
    let seconds = from_environment("CUE_TEST_SECONDS", 25);
    println!("CUE_TEST_SEED={seed} CUE_TEST_SECONDS={seconds} runs this storm again");
    let short = FrameDuration::Uniform(Duration::from_millis(20), LONGEST);
    let mut farm = Farm::new("storm", short, seed).await;
    for replica in &mut farm.replicas {
        replica.start();
    }
    let mut storm = Storm {
        farm,
        dice: Dice::new(seed),
        operators: Operators::default(),
        faults: Vec::new(),
        doubt: Instant::now(),
        back: None,
        starts: Vec::new(),
        aways: 0,
    };
    storm.farm.top_up().await;
    let until = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < until {
        storm.strike().await;
        let pause = storm.dice.ms(10, 250);
        tokio::time::sleep(pause).await;
        storm.mend(Instant::now());
        storm.farm.top_up().await;
    }
    storm.calm().await;
    let Storm { farm, aways, .. } = storm;
    farm.drained().await;
    println!("Cuebot was away {aways} times");
    farm.close(seed).await;
}
