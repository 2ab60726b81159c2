//! CPU time of one call.
//!
//! Epochs are wall clock: a deadline in epochs would kill a guest that merely waits for a slow store.
//! So epochs only give the points at which a running guest is looked at; what counts is the CPU time
//! of the thread, summed over the polls of the call's future. Waiting costs nothing, host functions
//! that a guest keeps busy do cost, and it does not matter on which thread a poll runs.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time of this thread so far, in nanoseconds.
fn thread_cpu() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::try_from(now.tv_nsec).unwrap_or_default())
}

/// What one call has used. Shared by the future that polls it and the guest's epoch callback, which
/// always runs inside such a poll.
#[derive(Clone, Debug)]
pub(crate) struct CpuMeter(Arc<Meter>);

#[derive(Debug)]
struct Meter {
    limit: Duration,
    /// Nanoseconds of finished polls.
    spent: AtomicU64,
    /// The thread's clock when the running poll began.
    poll_began: AtomicU64,
}

/// The call is over its CPU time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("over the CPU limit")]
pub(crate) struct CpuExceeded;

impl CpuMeter {
    pub(crate) fn new(limit: Duration) -> Self {
        Self(Arc::new(Meter {
            limit,
            spent: AtomicU64::new(0),
            poll_began: AtomicU64::new(0),
        }))
    }

    /// CPU time of all finished polls.
    pub(crate) fn spent(&self) -> Duration {
        Duration::from_nanos(self.0.spent.load(Ordering::Relaxed))
    }

    /// To be called inside a poll of [`Metered`].
    pub(crate) fn check(&self) -> Result<(), CpuExceeded> {
        let running = thread_cpu().saturating_sub(self.0.poll_began.load(Ordering::Relaxed));
        let total = self.spent().saturating_add(Duration::from_nanos(running));
        if total > self.0.limit { Err(CpuExceeded) } else { Ok(()) }
    }
}

/// A future whose polls are metered. Ends with an error at the first poll that comes back over the
/// limit without a result.
pub(crate) struct Metered<F> {
    future: Pin<Box<F>>,
    meter: CpuMeter,
}

impl<F: Future> Metered<F> {
    pub(crate) fn new(meter: CpuMeter, future: F) -> Self {
        Self {
            future: Box::pin(future),
            meter,
        }
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = Result<F::Output, CpuExceeded>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let began = thread_cpu();
        self.meter.0.poll_began.store(began, Ordering::Relaxed);
        let polled = self.future.as_mut().poll(cx);
        let took = thread_cpu().saturating_sub(began);
        self.meter.0.spent.fetch_add(took, Ordering::Relaxed);
        match polled {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending if self.meter.spent() > self.meter.0.limit => Poll::Ready(Err(CpuExceeded)),
            Poll::Pending => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_is_free_and_work_is_not() {
        let waited = CpuMeter::new(Duration::from_millis(40));
        let wait = tokio::time::sleep(Duration::from_millis(120));
        assert_eq!(Metered::new(waited.clone(), wait).await, Ok(()));
        assert!(waited.spent() < Duration::from_millis(20), "{:?}", waited.spent());

        let worked = CpuMeter::new(Duration::from_millis(40));
        let meter = worked.clone();
        let work = async move {
            while meter.check().is_ok() {
                std::hint::spin_loop();
                tokio::task::yield_now().await;
            }
        };
        // The budget may end inside a poll or between two.
        let _ = Metered::new(worked.clone(), work).await;
        assert!(worked.spent() >= Duration::from_millis(39), "{:?}", worked.spent());
    }
}
