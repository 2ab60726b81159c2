//! A server process that cannot outlive the process that started it.
//!
//! Dropping kills it. When this process dies without dropping anything (killed, or a fixture in a `static`),
//! the kernel does it (`PR_SET_PDEATHSIG`, Linux). That signal is sent when the *thread* that spawned the
//! child ends, and the threads of tests end early, so one thread that never ends spawns all of them.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::eventually::{eventually, eventually_blocking};

/// Linux counts CPU time for user space in hundredths of a second on every architecture that Rust knows.
const TICKS_PER_SECOND: u64 = 100;

/// A child process with its standard output and error in one log file.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`; what it prints is appended to `log`.
    pub fn spawn(name: &str, mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let file: File = OpenOptions::new().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let program = command.get_program().to_string_lossy().into_owned();
        let child = spawn_on_keeper(command).with_context(|| format!("cannot start {name} ({program})"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_path_buf(),
        })
    }

    /// Process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it printed so far, the runs before a restart included.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// An error with the end of the log when the process has ended, to be asked while waiting for it.
    pub fn check(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines
                .get(lines.len().saturating_sub(20)..)
                .unwrap_or_default()
                .join("\n");
            bail!("{} ended ({status}):\n{last}", self.name);
        }
        Ok(())
    }

    /// How it ended, or `None` while it runs.
    pub fn exited(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Kills it at once, as a node that loses power would, with all that it started, and waits until it is gone.
    pub fn kill(&mut self) {
        // It leads its group, whose number is nobody else's as long as it was not waited for.
        if let (Ok(None), Some(group)) = (self.child.try_wait(), self.pid()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to stop and waits; an error when it is not gone in time.
    pub async fn terminate(&mut self, within: Duration) -> anyhow::Result<ExitStatus> {
        self.signal_terminate()?;
        let (name, child) = (&self.name, &mut self.child);
        eventually(within, &format!("{name} to stop"), async || ended(child)).await
    }

    /// [`Process::terminate`] without a runtime.
    pub fn terminate_blocking(&mut self, within: Duration) -> anyhow::Result<ExitStatus> {
        self.signal_terminate()?;
        let (name, child) = (&self.name, &mut self.child);
        eventually_blocking(within, &format!("{name} to stop"), || ended(child))
    }

    /// Waits until it ends by itself.
    pub async fn wait(&mut self, within: Duration) -> anyhow::Result<ExitStatus> {
        let (name, child) = (&self.name, &mut self.child);
        eventually(within, &format!("{name} to end"), async || ended(child)).await
    }

    fn signal_terminate(&self) -> anyhow::Result<()> {
        Ok(kill_process(self.pid().context("no process id")?, Signal::TERM)?)
    }

    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }

    /// Resident memory in bytes, from `/proc`.
    pub fn resident_bytes(&self) -> anyhow::Result<u64> {
        self.status_kib("VmRSS:").map(|kib| kib * 1024)
    }

    /// The most resident memory it ever had, in bytes.
    pub fn peak_resident_bytes(&self) -> anyhow::Result<u64> {
        self.status_kib("VmHWM:").map(|kib| kib * 1024)
    }

    /// User and system CPU time so far.
    pub fn cpu_time(&self) -> anyhow::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id()))?;
        let after_name = stat.rsplit_once(')').map(|(_, rest)| rest).context("malformed stat")?;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks = |place: usize| {
            fields
                .get(place)
                .and_then(|field| field.parse::<u64>().ok())
                .context("malformed stat")
        };
        let total = ticks(11)? + ticks(12)?;
        Ok(Duration::from_millis(total * 1000 / TICKS_PER_SECOND))
    }

    fn status_kib(&self, field: &str) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(field))
            .context("no such field in status")?;
        line.split_whitespace()
            .next()
            .and_then(|number| number.parse().ok())
            .context("malformed status")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn ended(child: &mut Child) -> Result<ExitStatus, String> {
    match child.try_wait() {
        Ok(Some(status)) => Ok(status),
        Ok(None) => Err("still running".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

type Order = (Command, mpsc::Sender<io::Result<Child>>);

/// The thread that spawns everything and never ends.
static KEEPER: LazyLock<mpsc::Sender<Order>> = LazyLock::new(|| {
    let (orders, inbox) = mpsc::channel::<Order>();
    thread::spawn(move || {
        while let Ok((mut command, reply)) = inbox.recv() {
            let _ = reply.send(command.spawn());
        }
    });
    orders
});

fn spawn_on_keeper(mut command: Command) -> anyhow::Result<Child> {
    // A group of its own: Ctrl-C goes to the demo, which stops its servers in the right order.
    command.process_group(0);
    die_with_parent(&mut command);
    let (reply, answer) = mpsc::channel();
    KEEPER
        .send((command, reply))
        .ok()
        .context("the spawning thread is gone")?;
    Ok(answer.recv().context("the spawning thread is gone")??)
}

#[cfg(target_os = "linux")]
fn die_with_parent(command: &mut Command) {
    let set = || Ok(rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?);
    // SAFETY: between fork and exec only async-signal-safe calls are allowed; this is one system call.
    unsafe { command.pre_exec(set) };
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_: &mut Command) {}
