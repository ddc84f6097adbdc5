//! `watch`: a thread that tells when the files of the configuration have changed and are still again.
//!
//! What it compares is what the last load took note of ([`Sources`]): an event of the kernel only has it look at once,
//! and a file system that has none, such as a network share, is looked at every few seconds. So nothing is missed, and
//! nothing is loaded twice.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::load::Sources;

/// How often it looks where no event comes.
const TICK: Duration = Duration::from_secs(5);
/// Files that have not changed for so long are still: whoever writes them has come to an end.
const STILL: Duration = Duration::from_millis(300);
/// Looks at files that go on changing; then they are loaded as they are.
const MOST_LOOKS: usize = 20;

/// Where it is told that files have changed; a second message beside one that waits would tell nothing.
pub type Changed = mpsc::Receiver<()>;

/// A thread that looks at files. It ends when this is dropped.
pub(super) struct Watch {
    state: Arc<State>,
    wake: SyncSender<()>,
}

struct State {
    sources: Mutex<Arc<Sources>>,
    is_over: AtomicBool,
}

impl State {
    fn sources(&self) -> Arc<Sources> {
        Arc::clone(&self.sources.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Watch {
    /// Looks at files that were read last as `sources` has it.
    ///
    /// # Errors
    /// When a thread cannot be had.
    pub(super) fn start(sources: Arc<Sources>, changed: mpsc::Sender<()>) -> std::io::Result<Self> {
        let state = Arc::new(State { sources: Mutex::new(sources), is_over: AtomicBool::new(false) });
        let (wake, woken) = sync_channel(1);
        let thread = (Arc::clone(&state), wake.clone());
        std::thread::Builder::new().name("watch".to_owned()).spawn(move || {
            let (state, wake) = thread;
            look(&state, &woken, Folders::new(wake), &changed);
        })?;
        Ok(Self { state, wake })
    }

    /// They were read again.
    pub(super) fn follow(&self, sources: Arc<Sources>) {
        *self.state.sources.lock().unwrap_or_else(PoisonError::into_inner) = sources;
        let _woken_already = self.wake.try_send(());
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.state.is_over.store(true, Relaxed);
        let _woken_already = self.wake.try_send(());
    }
}

fn look(state: &State, woken: &Receiver<()>, mut folders: Folders, changed: &mpsc::Sender<()>) {
    // A change is told once, whatever becomes of it.
    let mut told: Option<Sources> = None;
    while !state.is_over.load(Relaxed) {
        let read = state.sources();
        folders.follow(&read);
        let now = read.now();
        if now != *read && told.as_ref() != Some(&now) {
            let still = still(&read, now);
            if still != *read {
                told = Some(still);
                let _one_waits = changed.try_send(());
            }
        }
        if woken.recv_timeout(TICK).is_ok() {
            // Events come in bursts; a file that is written to all the time beside ours costs few looks.
            std::thread::sleep(STILL / 3);
            let _burst = woken.try_recv();
        }
    }
}

/// The files once they are still.
fn still(read: &Sources, mut last: Sources) -> Sources {
    for _ in 0..MOST_LOOKS {
        std::thread::sleep(STILL);
        let now = read.now();
        if now == last {
            break;
        }
        last = now;
    }
    last
}

/// The folders that the kernel tells of.
struct Folders {
    watcher: Option<RecommendedWatcher>,
    /// With device and inode: another folder may have taken the path.
    followed: BTreeMap<PathBuf, (u64, u64)>,
}

impl Folders {
    fn new(wake: SyncSender<()>) -> Self {
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Our own reading is an event too.
            if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
                let _woken_already = wake.try_send(());
            }
        });
        let watcher = watcher.inspect_err(untold);
        Self { watcher: watcher.ok(), followed: BTreeMap::new() }
    }

    fn follow(&mut self, sources: &Sources) {
        let Some(watcher) = &mut self.watcher else { return };
        let wanted = sources.folders().into_iter().filter_map(|folder| Some((identity(&folder)?, folder)));
        let wanted: BTreeMap<PathBuf, (u64, u64)> = wanted.map(|(identity, folder)| (folder, identity)).collect();
        self.followed.retain(|folder, identity| {
            let stays = wanted.get(folder) == Some(identity);
            if !stays {
                let _gone_already = watcher.unwatch(folder);
            }
            stays
        });
        for (folder, identity) in wanted {
            self.followed.entry(folder).or_insert_with_key(|folder| {
                // One that cannot be followed is not tried at every look: the tick is there for it.
                if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                    untold(&error);
                }
                identity
            });
        }
    }
}

fn identity(folder: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(folder).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

fn untold(error: &notify::Error) {
    let seconds = TICK.as_secs();
    tracing::info!(%error, "the kernel does not tell of changed files; they are looked at every {seconds} s");
}
