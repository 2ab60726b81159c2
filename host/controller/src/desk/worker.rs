//! What a writer does with one object: its Secret, then its status.

use std::sync::Arc;

use jiff::Timestamp;
use keyhole_core::{Failure, Reason};

use crate::api_error::ApiError;
use crate::index::{Finish, Standing, View};
use crate::plan::ObjectKey;
use crate::planner::{Delivery, Done};
use crate::report::{Attempt, Reported, Reporter};
use crate::write::{Checked, Synced, Writer, Wrote};

/// One piece of work on one object.
#[derive(Debug)]
pub(super) enum Work {
    /// Move `lastSync` on. The heartbeat has been taken out of the budget.
    Heartbeat(Timestamp),
    /// Read a Secret that somebody changed.
    Check,
    /// Show a result that could not be shown before.
    ReportAgain(Attempt),
    /// Show a result.
    Report(Attempt),
    /// Write a Secret and show the result.
    Sync(Delivery),
}

impl Work {
    /// The higher replaces the lower: it does what that would have done, or makes it void.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Heartbeat(_) => 0,
            Self::Check => 1,
            Self::ReportAgain(_) => 2,
            Self::Report(_) => 3,
            Self::Sync(_) => 4,
        }
    }
}

/// What came of it.
pub(super) struct Finished {
    pub(super) finish: Finish,
    pub(super) done: Option<Done>,
    pub(super) outcome: Option<Outcome>,
    pub(super) heartbeat_due: bool,
    pub(super) status_error: Option<ApiError>,
    /// The Secret is not what was written: its values are needed.
    pub(super) drifted: bool,
    /// As it was before.
    pub(super) view: View,
}

/// A sync that came to its end.
pub(super) struct Outcome {
    pub(super) attempt: Attempt,
    pub(super) wrote: Option<Wrote>,
}

/// Works on one object at a time; many run at once.
pub(crate) struct Worker {
    writer: Writer,
    reporter: Arc<Reporter>,
}

impl Worker {
    pub(crate) fn new(writer: Writer, reporter: Arc<Reporter>) -> Self {
        Self { writer, reporter }
    }

    /// Does the work. `may_beat` says that no other object waits for a heartbeat.
    pub(super) async fn run(&self, key: ObjectKey, view: View, work: Work, may_beat: bool) -> Finished {
        match work {
            Work::Sync(delivery) => self.sync(key, view, delivery, may_beat).await,
            Work::Report(attempt) => {
                let mut finished = Finished::new(key, view);
                self.report(&mut finished, &attempt, false).await;
                finished.outcome = Some(Outcome { attempt, wrote: None });
                finished
            }
            Work::ReportAgain(attempt) => {
                let mut finished = Finished::new(key, view);
                self.report(&mut finished, &attempt, false).await;
                finished
            }
            Work::Check => self.check(key, view).await,
            Work::Heartbeat(at) => {
                let mut finished = Finished::new(key, view);
                let reported = self
                    .reporter
                    .heartbeat(&finished.finish.key, finished.view.shown.clone(), at)
                    .await;
                if let Reported::Written(shown) = reported {
                    finished.finish.shown = Some(shown);
                }
                finished
            }
        }
    }

    async fn sync(&self, key: ObjectKey, view: View, delivery: Delivery, may_beat: bool) -> Finished {
        let synced = self.writer.sync(&delivery, &view).await;
        let mut finished = Finished::new(key, view);
        let (outcome, wrote) = match synced {
            Synced::Skipped => {
                finished.done = Some(delivery.done(Ok(())));
                return finished;
            }
            Synced::NeedsValues => {
                let failure = Failure::new(Reason::Pending, "the Secret was changed; its values are needed");
                finished.done = Some(delivery.done(Err(failure)));
                finished.drifted = true;
                return finished;
            }
            Synced::Right { held, wrote, remark } => {
                finished.finish.unlisted = Some(held.standing != Standing::Ours);
                finished.finish.held = Some(Some(held));
                (Ok(remark), wrote)
            }
            Synced::Failed { failures, looked } => {
                if looked {
                    finished.finish.unlisted = Some(true);
                    finished.finish.held = Some(None);
                }
                (Err(failures), None)
            }
        };
        let first = outcome.as_ref().err().map(|failures: &Vec<Failure>| {
            failures
                .first()
                .cloned()
                .unwrap_or_else(|| Failure::new(Reason::Pending, "not synced yet"))
        });
        finished.done = Some(delivery.done(first.map_or(Ok(()), Err)));
        let attempt = Attempt {
            generation: delivery.plan.generation,
            outcome,
            refresh: delivery.refresh.clone(),
            at: Timestamp::now(),
        };
        // The values end here; what follows may take a while.
        drop(delivery);
        self.report(&mut finished, &attempt, may_beat).await;
        finished.outcome = Some(Outcome { attempt, wrote });
        finished
    }

    async fn report(&self, finished: &mut Finished, attempt: &Attempt, may_beat: bool) {
        finished.finish.attempt = Some((attempt.reason(), attempt.at));
        let shown = finished.view.shown.clone();
        match self
            .reporter
            .report(&finished.finish.key, shown, attempt, may_beat)
            .await
        {
            Reported::Written(shown) => finished.finish.shown = Some(shown),
            Reported::HeartbeatDue => finished.heartbeat_due = true,
            Reported::Gone => {}
            Reported::Failed(error) => {
                finished.finish.unreported = Some(attempt.clone());
                finished.status_error = Some(error);
            }
        }
    }

    async fn check(&self, key: ObjectKey, view: View) -> Finished {
        let mut finished = Finished::new(key, view);
        let Some(held) = finished.view.held.clone() else {
            finished.drifted = true;
            return finished;
        };
        match self
            .writer
            .check(&finished.finish.key, &finished.view.shown.uid, &held)
            .await
        {
            Checked::Intact(held) => finished.finish.held = Some(Some(held)),
            Checked::Drifted => finished.drifted = true,
            // Looked at again, since the version still differs.
            Checked::Failed(error) => {
                finished.finish.unreadable = true;
                tracing::warn!(object = %finished.finish.key, %error, "a changed Secret cannot be read")
            }
        }
        finished
    }
}

impl Finished {
    fn new(key: ObjectKey, view: View) -> Self {
        let finish = Finish {
            key,
            uid: Arc::clone(&view.shown.uid),
            held: None,
            unlisted: None,
            attempt: None,
            shown: None,
            unreported: None,
            unreadable: false,
            secret_lists: view.secret_lists,
        };
        Self {
            finish,
            done: None,
            outcome: None,
            heartbeat_due: false,
            status_error: None,
            drifted: false,
            view,
        }
    }
}
