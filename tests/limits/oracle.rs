//! The rule of limits once more (OPENCUE.md, Limits): rows in, answers out, nothing kept.

/// Hosts of a case, and the cores of each; a frame takes one.
pub const HOSTS: usize = 3;
pub const CORES: usize = 4;

/// Unit of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Frame,
    Host,
}

/// The last report of a licence server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    Never,
    Fresh,
    Stale,
    /// Old, and believed for ever.
    NoTtl,
}

/// Frames of the limit that run before the case begins, all on the first host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prior {
    Nothing,
    /// Started after the report's reach.
    Pending,
    /// Started long before it; the report names the host.
    Settled,
}

/// Licences that are held by others than the frames of the case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    Nobody,
    /// A workstation that is no render host.
    Artist,
    /// The third host of the case, by something else than a frame.
    Host,
}

/// A limit and its farm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    pub kind: Kind,
    pub enforcement: &'static str,
    pub report: Report,
    pub max: Option<i32>,
    pub soft: i32,
    pub holder: Holder,
    pub prior: Prior,
}

/// Frames that run before a case begins, if any do.
pub const PRIOR: usize = 2;

/// Frames that wait when it begins: more than its hosts can run.
pub const WAITING: usize = 15;

impl Case {
    /// Numbers of the hosts that the report names.
    pub fn reported_hosts(&self) -> Vec<usize> {
        let mut hosts = Vec::new();
        if self.prior == Prior::Settled {
            hosts.push(0);
        }
        if self.holder == Holder::Host {
            hosts.push(2);
        }
        hosts
    }

    /// `int_settled_usage` and `int_settled_hosts`.
    pub fn settled(&self) -> (i32, i32) {
        let others = i32::from(self.holder != Holder::Nobody);
        match self.prior {
            Prior::Settled => (others + 2, others + 1),
            Prior::Nothing | Prior::Pending => (others, others),
        }
    }

    /// Number of waiting frames that must run in the end.
    pub fn expected(&self) -> usize {
        // Procs by host and whether they are pending.
        let mut procs: Vec<(usize, bool)> = Vec::new();
        if self.prior != Prior::Nothing {
            let reached = self.prior == Prior::Settled && self.report != Report::Never;
            procs.extend([(0, !reached); PRIOR]);
        }
        let before = procs.len();
        while procs.len() - before < WAITING {
            let room = |host: usize| procs.iter().filter(|proc| proc.0 == host).count() < CORES;
            let free = |host: &usize| room(*host) && !self.blocks(&procs, *host);
            // A host that holds the limit costs no seat, so it comes first.
            let mut hosts: Vec<usize> = (0..HOSTS).filter(free).collect();
            hosts.sort_by_key(|host| !self.holds(&procs, *host));
            match hosts.first() {
                Some(host) => procs.push((*host, true)),
                None => break,
            }
        }
        procs.len() - before
    }

    fn holds(&self, procs: &[(usize, bool)], host: usize) -> bool {
        self.reported_hosts().contains(&host) || procs.iter().any(|proc| proc.0 == host)
    }

    fn blocks(&self, procs: &[(usize, bool)], host: usize) -> bool {
        if self.enforcement != "ENFORCED" || self.report == Report::Stale {
            return false;
        }
        let pending: Vec<usize> = procs
            .iter()
            .filter(|proc| proc.1)
            .map(|proc| proc.0)
            .collect();
        let Some(max) = self.max else { return true };
        match self.kind {
            Kind::Frame => self.settled().0 + pending.len() as i32 >= max,
            Kind::Host => {
                let counts =
                    |host: &usize| pending.contains(host) && !self.reported_hosts().contains(host);
                let usage = self.settled().1 + (0..HOSTS).filter(counts).count() as i32;
                let cap = if self.soft >= 0 { self.soft } else { max };
                usage >= cap && !self.holds(procs, host)
            }
        }
    }
}

/// Every kind of limit, and those values at which one is full, nearly full or open.
pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    let base = |kind, max| Case {
        kind,
        enforcement: "ENFORCED",
        report: Report::Fresh,
        max: Some(max),
        soft: -1,
        holder: Holder::Nobody,
        prior: Prior::Nothing,
    };
    for (kind, max) in [(Kind::Frame, 5), (Kind::Host, 2)] {
        for report in [Report::Never, Report::Fresh, Report::Stale, Report::NoTtl] {
            for soft in [-1, 1] {
                for holder in [Holder::Nobody, Holder::Artist, Holder::Host] {
                    for prior in [Prior::Nothing, Prior::Pending, Prior::Settled] {
                        // Without a report nobody knows which hosts hold a licence.
                        if report == Report::Never
                            && (holder == Holder::Host || prior == Prior::Settled)
                        {
                            continue;
                        }
                        cases.push(Case {
                            report,
                            soft,
                            holder,
                            prior,
                            ..base(kind, max)
                        });
                    }
                }
            }
            for enforcement in ["ADVISORY", "DISABLED"] {
                cases.push(Case {
                    enforcement,
                    report,
                    ..base(kind, 1)
                });
            }
        }
        for max in [0, 1, 100] {
            cases.push(base(kind, max));
        }
        cases.push(Case {
            max: None,
            ..base(kind, 0)
        });
    }
    cases
}
