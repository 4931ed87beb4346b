//! State and steps.

/// A text, of which there are two, so that one may come back.
type Text = u8;
/// A claim's moment, one for each claim.
type Stamp = u8;

/// What is checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Protocol {
    /// What the application does in all.
    pub(super) operations: u8,
    /// Claims of all workers.
    pub(super) claims: u8,
    pub(super) safeguards: Safeguards,
}

/// What can be left out to see that it is needed.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is independent of the others")]
pub(super) struct Safeguards {
    /// Step 1's advisory lock.
    pub(super) key_lock: bool,
    /// Step 1's `FOR KEY SHARE`.
    pub(super) row_lock: bool,
    /// Step 2.
    pub(super) second_look: bool,
    /// Step 3 goes by the stamp.
    pub(super) stamp: bool,
}

impl Default for Safeguards {
    fn default() -> Self {
        Self {
            key_lock: true,
            row_lock: true,
            second_look: true,
            stamp: true,
        }
    }
}

/// A version of the source row: `ctid` and `xmin`, and the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Row {
    version: u8,
    text: Text,
}

/// A row of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Queued {
    /// `loading_retry_after`.
    stamp: Option<Stamp>,
    /// Whether that moment has passed.
    has_expired: bool,
    /// The worker that has deleted it, in a transaction that is open.
    deleted_by: Option<usize>,
}

const DUE: Queued = Queued {
    stamp: None,
    has_expired: false,
    deleted_by: None,
};

/// A transaction of the application's that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Open {
    Edit(Row),
    /// What its trigger saw in the store, and deletes.
    Delete {
        sees: Option<Text>,
    },
    Insert(Row),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Claimed {
    stamp: Stamp,
    row: Option<Row>,
    /// What stood in the store when the row was read.
    stored: Option<Text>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Verdict {
    Unchanged,
    Gone,
    Overtaken,
}

/// How far a worker is: the last statement that it executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Worker {
    Idle,
    Dead,
    Claimed(Stamp),
    Embedded(Claimed),
    /// The row's version, if it was locked.
    Locked(Claimed, Option<u8>),
    /// What is to stand in the store.
    Looked(Claimed, Option<u8>, Verdict),
    /// Its queue rows are deleted, in its transaction.
    Finished(Claimed, Option<u8>, Verdict),
    Written(Claimed, Option<u8>, Option<Text>),
}

/// A worker's steps, in order. The worker tells them by the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Claim,
    Read,
    Lock,
    Look,
    Finish,
    Write,
    Commit,
}

impl Step {
    pub(super) const ALL: [Self; 7] = [
        Self::Claim,
        Self::Read,
        Self::Lock,
        Self::Look,
        Self::Finish,
        Self::Write,
        Self::Commit,
    ];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Action {
    Worker(usize, Step),
    /// The process is killed; its connection breaks, and an open transaction with it.
    Die(usize),
    /// A moment in the future has passed.
    Expire(Stamp),
    Edit(Text),
    Delete,
    Insert(Text),
    Commit,
    Truncate,
}

impl Action {
    /// Everything that may ever happen.
    pub(super) fn all(protocol: Protocol) -> Vec<Self> {
        let mut actions = vec![Self::Delete, Self::Commit, Self::Truncate, Self::Die(0)];
        actions.extend(
            [0, 1]
                .into_iter()
                .flat_map(|worker| Step::ALL.map(|step| Self::Worker(worker, step))),
        );
        actions.extend(
            [0, 1]
                .into_iter()
                .flat_map(|text| [Self::Edit(text), Self::Insert(text)]),
        );
        actions.extend((0..protocol.claims).map(Self::Expire));
        actions
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    source: Option<Row>,
    store: Option<Text>,
    queue: Vec<Queued>,
    open: Option<Open>,
    workers: [Worker; 2],
    operations: u8,
    claims: u8,
    versions: u8,
}

impl State {
    /// A row that has just been inserted.
    pub(super) fn new(protocol: Protocol) -> Self {
        Self {
            source: Some(Row { version: 0, text: 0 }),
            store: None,
            queue: vec![DUE],
            open: None,
            workers: [Worker::Idle; 2],
            operations: protocol.operations,
            claims: 0,
            versions: 0,
        }
    }

    pub(super) fn queue_is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn store(&self) -> Option<Text> {
        self.store
    }

    pub(super) fn text(&self) -> Option<Text> {
        self.source.map(|row| row.text)
    }

    pub(super) fn ops_left(&self) -> u8 {
        self.operations
    }

    pub(super) fn has_dead(&self) -> bool {
        self.workers.contains(&Worker::Dead)
    }

    pub(super) fn is_idle(&self, worker: usize) -> bool {
        self.workers[worker] == Worker::Idle
    }

    /// Does it, if it is possible now.
    pub(super) fn take(&mut self, protocol: Protocol, action: Action) -> bool {
        let done = match action {
            Action::Worker(worker, step) => self.step(protocol, worker, step),
            Action::Die(worker) => self.die(worker),
            Action::Expire(stamp) => self.expire(stamp),
            Action::Commit => self.commit(),
            _ => self.operate(protocol, action),
        };
        self.queue.sort_unstable();
        done
    }

    /// Whether a worker's transaction is open.
    fn is_writing(&self) -> bool {
        self.workers.iter().any(|worker| {
            matches!(
                worker,
                Worker::Locked(..) | Worker::Looked(..) | Worker::Finished(..) | Worker::Written(..)
            )
        })
    }

    /// Whether a worker has the row locked.
    fn is_row_locked(&self, protocol: Protocol) -> bool {
        let has = |worker: &Worker| {
            matches!(
                worker,
                Worker::Locked(_, Some(_))
                    | Worker::Looked(_, Some(_), _)
                    | Worker::Finished(_, Some(_), _)
                    | Worker::Written(_, Some(_), _)
            )
        };
        protocol.safeguards.row_lock && self.workers.iter().any(has)
    }

    /// A statement of the application's. Another transaction that has the row keeps it waiting.
    fn operate(&mut self, protocol: Protocol, action: Action) -> bool {
        if self.operations == 0 || self.open.is_some() {
            return false;
        }
        self.versions += 1;
        let version = self.versions;
        let row = |text| Row { version, text };
        let open = match (action, self.source) {
            (Action::Edit(text), Some(now)) if now.text != text => Open::Edit(row(text)),
            // a worker that has the row locked is waited for
            (Action::Delete, Some(_)) if !self.is_row_locked(protocol) => Open::Delete { sees: self.store },
            (Action::Insert(text), None) => Open::Insert(row(text)),
            // takes the table for itself, and what its trigger empties with it
            (Action::Truncate, Some(_)) if !self.is_writing() => {
                (self.source, self.store) = (None, None);
                self.queue.clear();
                self.operations -= 1;
                return true;
            }
            _ => return false,
        };
        self.operations -= 1;
        self.open = Some(open);
        true
    }

    fn commit(&mut self) -> bool {
        match self.open.take() {
            None => return false,
            Some(Open::Edit(row) | Open::Insert(row)) => {
                self.source = Some(row);
                self.queue.push(DUE);
            }
            Some(Open::Delete { sees }) => {
                self.source = None;
                if sees.is_some() {
                    self.store = None;
                }
            }
        }
        true
    }

    fn die(&mut self, worker: usize) -> bool {
        let dies = !matches!(self.workers[worker], Worker::Idle | Worker::Dead);
        if dies {
            self.workers[worker] = Worker::Dead;
            for queued in self.queue.iter_mut().filter(|queued| queued.deleted_by == Some(worker)) {
                queued.deleted_by = None;
            }
        }
        dies
    }

    fn expire(&mut self, stamp: Stamp) -> bool {
        let mut done = false;
        for queued in &mut self.queue {
            if queued.stamp == Some(stamp) && !queued.has_expired {
                queued.has_expired = true;
                done = true;
            }
        }
        done
    }

    fn step(&mut self, protocol: Protocol, worker: usize, step: Step) -> bool {
        let next = match (step, self.workers[worker]) {
            (Step::Claim, Worker::Idle) => self.claim(protocol),
            (Step::Read, Worker::Claimed(stamp)) => Some(Worker::Embedded(Claimed {
                stamp,
                row: self.source,
                stored: self.store,
            })),
            (Step::Lock, Worker::Embedded(claimed)) => Some(self.lock(protocol, claimed)),
            (Step::Look, Worker::Locked(claimed, version)) => Some(self.look(protocol, claimed, version)),
            (Step::Finish, Worker::Looked(claimed, version, verdict)) => {
                Some(self.finish(protocol, worker, claimed, version, verdict))
            }
            (Step::Write, Worker::Finished(claimed, version, verdict)) => {
                let text = match verdict {
                    Verdict::Gone => None,
                    Verdict::Unchanged | Verdict::Overtaken => claimed.row.map(|row| row.text),
                };
                Some(Worker::Written(claimed, version, text))
            }
            (Step::Commit, Worker::Written(_, _, text)) => {
                self.queue.retain(|queued| queued.deleted_by != Some(worker));
                self.store = text;
                Some(Worker::Idle)
            }
            _ => None,
        };
        next.map(|next| self.workers[worker] = next).is_some()
    }

    /// Due rows of a key whose lock is free get the stamp.
    fn claim(&mut self, protocol: Protocol) -> Option<Worker> {
        let is_due = |queued: &Queued| (queued.stamp.is_none() || queued.has_expired) && queued.deleted_by.is_none();
        if self.claims == protocol.claims
            || (protocol.safeguards.key_lock && self.is_writing())
            || !self.queue.iter().any(is_due)
        {
            return None;
        }
        let stamp = self.claims;
        self.claims += 1;
        for queued in self.queue.iter_mut().filter(|queued| is_due(queued)) {
            *queued = Queued {
                stamp: Some(stamp),
                ..DUE
            };
        }
        Some(Worker::Claimed(stamp))
    }

    /// Gives the key back, and is done.
    fn release(&mut self, stamp: Stamp) -> Worker {
        let is_mine = |queued: &&mut Queued| queued.stamp == Some(stamp) && queued.deleted_by.is_none();
        for queued in self.queue.iter_mut().filter(is_mine) {
            *queued = DUE;
        }
        Worker::Idle
    }

    /// The key's lock, tried, and the row's, passed over if someone deletes it. An edit that is not committed hinders
    /// nobody.
    fn lock(&mut self, protocol: Protocol, claimed: Claimed) -> Worker {
        if protocol.safeguards.key_lock && self.is_writing() {
            return self.release(claimed.stamp);
        }
        let is_free = !matches!(self.open, Some(Open::Delete { .. }));
        Worker::Locked(claimed, self.source.filter(|_| is_free).map(|row| row.version))
    }

    /// Reads again what is not the version that was embedded, and what stands in the store.
    fn look(&mut self, protocol: Protocol, claimed: Claimed, version: Option<u8>) -> Worker {
        if !protocol.safeguards.second_look {
            return Worker::Looked(claimed, version, Verdict::Unchanged);
        }
        let is_same_version = version.is_some() && version == claimed.row.map(|row| row.version);
        let verdict = match (self.source, claimed.row) {
            _ if is_same_version => Verdict::Unchanged,
            (None, _) => Verdict::Gone,
            // a writer has it, or it has just come
            (Some(_), _) if version.is_none() => return self.release(claimed.stamp),
            (Some(now), Some(seen)) if now.text == seen.text => Verdict::Unchanged,
            (Some(_), Some(_)) if self.queue.iter().any(|queued| queued.stamp != Some(claimed.stamp)) => {
                Verdict::Overtaken
            }
            (Some(_), _) => return self.release(claimed.stamp),
        };
        if verdict != Verdict::Gone && self.store != claimed.stored {
            return self.release(claimed.stamp);
        }
        Worker::Looked(claimed, version, verdict)
    }

    /// Nothing is written for a key that has become another worker's.
    fn finish(
        &mut self,
        protocol: Protocol,
        worker: usize,
        claimed: Claimed,
        version: Option<u8>,
        verdict: Verdict,
    ) -> Worker {
        let mut finished = Worker::Idle;
        for queued in &mut self.queue {
            let is_mine = !protocol.safeguards.stamp || queued.stamp == Some(claimed.stamp);
            if is_mine && queued.deleted_by.is_none() {
                queued.deleted_by = Some(worker);
                finished = Worker::Finished(claimed, version, verdict);
            }
        }
        finished
    }
}
