//! Work on plugins' files, which may never come back.
//!
//! A call to a file system that hangs holds one of the process's few threads for what blocks until the file
//! system answers, and nothing cancels it. Names are looked up on the same threads, for all plugins and for the
//! API server: were a file asked about again and again, the operator would have no network within a minute. So
//! for each plugin there is one piece of work at most, and [`HANGING`] in all; nothing is begun beside them. Work
//! that nobody waits for any more counts until it has come back.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinHandle, JoinSet};

use super::files::{Stamp, stamp};

/// Threads that plugins' files may hold: few of those that the operator has.
pub const HANGING: usize = 4;

/// What is under way. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct FileWork {
    /// One for each thread that may be held.
    room: Arc<Semaphore>,
    /// By plugin, while there is work for it.
    turns: Arc<Mutex<HashMap<Arc<str>, Arc<Semaphore>>>>,
}

impl Default for FileWork {
    fn default() -> Self {
        Self {
            room: Arc::new(Semaphore::new(HANGING)),
            turns: Arc::default(),
        }
    }
}

impl FileWork {
    /// Begins work for a plugin, or gives up when earlier work is in its way for so long. Once begun it goes on
    /// to its end, whether or not somebody waits for it.
    pub(super) async fn begin<T: Send + 'static>(
        &self,
        plugin: &Arc<str>,
        patience: Duration,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<JoinHandle<T>> {
        let turn = self.turn(plugin);
        let permits = async {
            let turn = turn.acquire_owned().await.ok()?;
            Some((turn, self.room().await?))
        };
        let permits = tokio::time::timeout(patience, permits).await.ok()??;
        Some(tokio::spawn(async move {
            let done = work.await;
            drop(permits);
            done
        }))
    }

    /// Begins work for a plugin as soon as there is room; none if there is work for it already.
    fn begin_unless_busy<T: Send + 'static>(
        &self,
        plugin: &Arc<str>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<JoinHandle<T>> {
        let turn = self.turn(plugin).try_acquire_owned().ok()?;
        let files = self.clone();
        Some(tokio::spawn(async move {
            let room = files.room().await;
            let done = work.await;
            drop((turn, room));
            done
        }))
    }

    async fn room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).acquire_owned().await.ok()
    }

    fn turn(&self, plugin: &Arc<str>) -> Arc<Semaphore> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever works or waits has a share.
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        let turn = turns.entry(Arc::clone(plugin));
        Arc::clone(turn.or_insert_with(|| Arc::new(Semaphore::new(1))))
    }
}

/// Looks at files, whether they are the ones that were read.
pub(super) struct Looks {
    files: FileWork,
    jobs: JoinSet<Option<Look>>,
    stamp: fn(PathBuf) -> BoxFuture<'static, Stamp>,
}

/// What a look found.
pub(super) struct Look {
    pub(super) plugin: Arc<str>,
    pub(super) path: PathBuf,
    pub(super) stamp: Stamp,
}

impl Looks {
    pub(super) fn new(files: FileWork) -> Self {
        Self {
            files,
            jobs: JoinSet::new(),
            stamp: |path| Box::pin(async move { stamp(&path).await }),
        }
    }

    /// Looks at this file of a plugin, unless a look or the reading of its file is under way.
    pub(super) fn begin(&mut self, plugin: &Arc<str>, path: PathBuf) {
        let look = (self.stamp)(path.clone());
        let Some(look) = self.files.begin_unless_busy(plugin, look) else {
            return;
        };
        let plugin = Arc::clone(plugin);
        self.jobs.spawn(async move {
            let stamp = look.await.ok()?;
            Some(Look { plugin, path, stamp })
        });
    }

    /// The next look that ended. Never resolves while there is none.
    pub(super) async fn next(&mut self) -> Look {
        loop {
            match self.jobs.join_next().await {
                Some(Ok(Some(look))) => return look,
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const SOON: Duration = Duration::from_millis(20);
    const PATIENCE: Duration = Duration::from_secs(20);

    /// A runtime with as many threads for what blocks as the operator has. It does not wait for them at the end.
    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(16)
            .build()
            .unwrap();
        runtime.block_on(test);
        runtime.shutdown_background();
    }

    /// Holds a thread until the process ends, as a call to a file system that hangs does.
    async fn hang() -> Stamp {
        let hanging = tokio::task::spawn_blocking(|| {
            loop {
                std::thread::park();
            }
        });
        hanging.await.unwrap()
    }

    /// That a thread is left for those who look up names.
    async fn a_thread_is_left() {
        let done = tokio::task::spawn_blocking(|| ());
        tokio::time::timeout(PATIENCE, done).await.expect("a thread").unwrap();
    }

    fn plugin(number: usize) -> Arc<str> {
        format!("plugin-{number}").into()
    }

    #[test]
    fn a_file_system_that_hangs_is_asked_once_by_each_plugin_and_leaves_threads_to_others() {
        static BEGUN: AtomicUsize = AtomicUsize::new(0);
        run(async {
            let mut looks = Looks::new(FileWork::default());
            looks.stamp = |_| {
                Box::pin(async {
                    BEGUN.fetch_add(1, Ordering::SeqCst);
                    hang().await
                })
            };
            for _ in 0..20 {
                looks.begin(&plugin(0), PathBuf::from("/plugins/a"));
                tokio::time::timeout(SOON, looks.next()).await.err().expect("it hangs");
            }
            assert_eq!(BEGUN.load(Ordering::SeqCst), 1);
            a_thread_is_left().await;

            // And many plugins together hold few.
            for _ in 0..3 {
                for number in 0..30 {
                    looks.begin(&plugin(number), PathBuf::from("/plugins/a"));
                }
                tokio::time::timeout(SOON, looks.next()).await.err().expect("it hangs");
            }
            assert_eq!(BEGUN.load(Ordering::SeqCst), HANGING);
            a_thread_is_left().await;
        });
    }

    #[test]
    fn a_file_whose_reading_hangs_is_not_read_again_before_that_comes_back() {
        run(async {
            let files = FileWork::default();
            let (answer, answered) = tokio::sync::oneshot::channel::<()>();
            let first = files.begin(&plugin(0), SOON, answered).await.unwrap();
            drop(first); // Whoever waited for it has given up.
            for _ in 0..3 {
                assert!(files.begin(&plugin(0), SOON, async {}).await.is_none());
            }
            let mut looks = Looks::new(files.clone());
            looks.begin(&plugin(0), PathBuf::from("/"));
            assert!(looks.jobs.is_empty());
            assert!(
                files.begin(&plugin(1), SOON, async {}).await.is_some(),
                "another plugin"
            );

            answer.send(()).unwrap();
            let second = files.begin(&plugin(0), PATIENCE, async { "read" }).await.unwrap();
            assert_eq!(second.await.unwrap(), "read");
        });
    }

    #[test]
    fn more_plugins_than_there_is_room_for_are_all_looked_at() {
        run(async {
            let mut looks = Looks::new(FileWork::default());
            for number in 0..3 * HANGING {
                looks.begin(&plugin(number), PathBuf::from("/"));
            }
            for _ in 0..3 * HANGING {
                let look = tokio::time::timeout(PATIENCE, looks.next()).await.unwrap();
                assert!(look.path == Path::new("/") && look.stamp.iter().any(Option::is_some));
            }
            assert_eq!(looks.files.turns.lock().unwrap().len(), 3 * HANGING);
            drop(looks.files.turn(&plugin(0)));
            assert_eq!(looks.files.turns.lock().unwrap().len(), 1, "what is done is forgotten");
        });
    }
}
