//! Where lines go: a file, or a pipe, terminal or socket that may be slow. Nothing here waits for a reader.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// What is written to a pipe at once: so much is taken whole or not at all (POSIX: PIPE_BUF), so that lines of others
/// who write to the same pipe stay whole too.
const PIPE_OCTETS: usize = 4_096;
/// How long until what could not be opened or written is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// What became of lines.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// All are gone.
    All,
    /// The reader takes no more at present; the rest is still in the buffer.
    Stuck,
    /// They are lost: so many.
    Lost(u64),
}

/// A destination.
pub(super) struct Destination {
    /// None: standard output.
    path: Option<PathBuf>,
    open: Option<Open>,
    /// Not before then is it tried again.
    retry_at: Option<Instant>,
    /// Whether a line broke off.
    is_torn: bool,
    /// Whether the fault was told.
    is_told: bool,
}

struct Open {
    file: File,
    /// Whether it may not take all that is written.
    may_block: bool,
}

impl Destination {
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self { path, open: None, retry_at: None, is_torn: false, is_told: false }
    }

    /// Has it opened anew with the next line.
    pub(super) fn close(&mut self) {
        (self.open, self.retry_at) = (None, None);
    }

    /// Whether it is not in a pause after a fault.
    pub(super) fn is_ready(&self, now: Instant) -> bool {
        self.retry_at.is_none_or(|at| at <= now)
    }

    fn name(&self) -> String {
        self.path.as_ref().map_or_else(|| "standard output".to_owned(), |path| path.display().to_string())
    }

    /// Writes what it can of whole lines, and takes it from the buffer.
    pub(super) fn write(&mut self, lines: &mut Vec<u8>) -> Written {
        if lines.is_empty() {
            return Written::All;
        }
        if !self.is_ready(Instant::now()) {
            return lost(lines);
        }
        match self.try_write(lines) {
            Ok(written) => {
                if written == Written::All && self.is_told {
                    tracing::info!(file = self.name(), "the query log is written again");
                    self.is_told = false;
                }
                written
            }
            Err(error) => {
                if !self.is_told {
                    tracing::warn!(file = self.name(), %error, "the query log cannot be written; tried again each second");
                    self.is_told = true;
                }
                self.open = None;
                self.retry_at = Some(Instant::now() + PAUSE);
                lost(lines)
            }
        }
    }

    fn try_write(&mut self, lines: &mut Vec<u8>) -> io::Result<Written> {
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(Open::new(self.path.as_ref())?),
        };
        self.retry_at = None;
        let mut done = 0;
        let result = loop {
            let rest = lines.get(done..).unwrap_or_default();
            if rest.is_empty() {
                break Ok(Written::All);
            }
            let part = if open.may_block { whole_lines(rest) } else { rest };
            if open.may_block && !is_writable(&open.file)? {
                break Ok(Written::Stuck);
            }
            if std::mem::take(&mut self.is_torn) && done == 0 {
                open.file.write_all(b"\n")?;
            }
            match open.file.write(part) {
                Ok(0) => break Err(ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break Ok(Written::Stuck),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        let broke_off = done > 0 && lines.get(done - 1) != Some(&b'\n');
        lines.drain(..done);
        if result.is_err() && broke_off {
            self.is_torn = true;
        }
        result
    }
}

/// Empties the buffer and tells how many lines it had.
fn lost(lines: &mut Vec<u8>) -> Written {
    let count = lines.iter().filter(|octet| **octet == b'\n').count();
    lines.clear();
    Written::Lost(count as u64)
}

/// As many whole lines as a pipe takes at once, or the first one.
fn whole_lines(lines: &[u8]) -> &[u8] {
    let is_end = |octet: &u8| *octet == b'\n';
    let most = lines.get(..lines.len().min(PIPE_OCTETS)).unwrap_or_default();
    let end = most.iter().rposition(is_end).or_else(|| lines.iter().position(is_end));
    end.and_then(|end| lines.get(..=end)).unwrap_or(lines)
}

impl Open {
    fn new(path: Option<&PathBuf>) -> io::Result<Self> {
        let file = match path {
            // Not by `Stdout`, whose lock would keep our other lines waiting.
            None => File::from(io::stdout().as_fd().try_clone_to_owned()?),
            // A FIFO that nobody reads fails in place of waiting; for a file it means nothing.
            Some(path) => {
                let mut options = OpenOptions::new();
                options.append(true).create(true).mode(0o640).custom_flags(libc::O_NONBLOCK);
                options.open(path)?
            }
        };
        let kind = file.metadata()?.file_type();
        let may_block = kind.is_fifo() || kind.is_socket() || kind.is_char_device();
        Ok(Self { file, may_block })
    }
}

/// Whether something can be written at once.
fn is_writable(file: &File) -> io::Result<bool> {
    let mut polled = [PollFd::new(file, PollFlags::OUT)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    match poll(&mut polled, Some(&at_once)) {
        Err(Errno::INTR) => return Ok(false),
        result => result?,
    };
    let found = polled.iter().fold(PollFlags::empty(), |all, own| all | own.revents());
    if found.contains(PollFlags::ERR) {
        return Err(ErrorKind::BrokenPipe.into());
    }
    Ok(found.contains(PollFlags::OUT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_appended_to_and_made_anew_when_it_was_moved() {
        let folder = tempfile::TempDir::new().unwrap();
        let (path, moved) = (folder.path().join("log"), folder.path().join("log.1"));
        let mut destination = Destination::new(Some(path.clone()));
        let write = |destination: &mut Destination, text: &str| {
            let mut lines = text.as_bytes().to_vec();
            assert_eq!(destination.write(&mut lines), Written::All);
            assert!(lines.is_empty());
        };
        write(&mut destination, "one\n");
        std::fs::rename(&path, &moved).unwrap();
        write(&mut destination, "two\n");
        destination.close();
        write(&mut destination, "three\n");
        assert_eq!(std::fs::read_to_string(&moved).unwrap(), "one\ntwo\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
    }

    #[test]
    fn what_cannot_be_opened_loses_its_lines_counted_and_is_tried_again_later() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("missing/log");
        let mut destination = Destination::new(Some(path.clone()));
        let mut lines = b"one\ntwo\n".to_vec();
        assert_eq!(destination.write(&mut lines), Written::Lost(2));
        std::fs::create_dir(folder.path().join("missing")).unwrap();
        lines.extend(b"three\n");
        assert_eq!(destination.write(&mut lines), Written::Lost(1), "the pause is not over");
        destination.close();
        lines.extend(b"four\n");
        assert_eq!(destination.write(&mut lines), Written::All);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "four\n");
    }

    #[test]
    fn a_pipe_gets_whole_lines_of_bounded_size() {
        let long = [&[b'x'; 5_000][..], b"\n"].concat();
        assert_eq!(whole_lines(b"one\ntwo\nthr"), b"one\ntwo\n");
        assert_eq!(whole_lines(&long), long);
        assert_eq!(whole_lines(&[b"one\n", &long[..]].concat()), b"one\n");
    }
}
