//! The cache in a file, from one process to the next: what was had once need not be asked again after a restart.
//!
//! ```text
//! "hubdns cache 1\n" · seconds since 1970 when it was written (8) · entries (4)
//! each entry: octets of the key (2) · the key · seconds that it has left, or is past its end (4, signed)
//!             · octets of the message (4) · the message, AD as the upstream set it
//! checksum of all that (8)
//! ```
//!
//! Numbers are big-endian. A file that was cut, changed or written by another version is refused whole; an entry whose
//! message no longer reads as an answer to its key is left out. Nothing in it is trusted more than an upstream's reply:
//! each message goes through the same checks.

use std::fs;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Cache, Entry};
use crate::wire::{Key, Moment, RawAnswer, flags};

const MAGIC: &[u8] = b"hubdns cache 1\n";
/// A saved cache larger than this is not read.
const MAX_FILE_OCTETS: u64 = 4 << 30;
/// Octets in front of the entries.
const HEAD: usize = MAGIC.len() + 12;

/// What became of a cache file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Entries that were written or taken.
    pub entries: usize,
    /// Octets of the file.
    pub octets: u64,
}

/// Why a cache file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It could not be read.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It is no cache file of this version.
    #[error("is no cache file of this version")]
    Version,
    /// It was cut or changed: its checksum differs.
    #[error("was cut or changed: its checksum differs")]
    Checksum,
    /// It is larger than any cache.
    #[error("is larger than 4 GiB")]
    Large,
}

/// FNV-1a over whole words: a check against cuts and faulty disks, not against those who can write the file.
#[derive(Debug, Clone, Copy)]
struct Checksum(u64);

impl Checksum {
    fn of(octets: &[u8]) -> u64 {
        let mut sum = Self(0xcbf2_9ce4_8422_2325);
        let mut words = octets.chunks_exact(8);
        for word in &mut words {
            sum.add(word.first_chunk().map_or(0, |word| u64::from_be_bytes(*word)));
        }
        for octet in words.remainder() {
            sum.add(u64::from(*octet));
        }
        sum.0
    }

    fn add(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x0100_0000_01b3);
        self.0 ^= self.0 >> 29;
    }
}

fn wall_clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl Cache {
    /// Writes the answers to a file, in place of an older one, which stays as it is if this fails.
    ///
    /// # Errors
    /// What the file system says.
    pub fn save(&self, path: &Path, now: Moment) -> io::Result<Kept> {
        self.save_at(path, now, wall_clock())
    }

    pub(super) fn save_at(&self, path: &Path, now: Moment, written: u64) -> io::Result<Kept> {
        let mut octets = MAGIC.to_vec();
        octets.extend(written.to_be_bytes());
        octets.extend(0_u32.to_be_bytes());
        let mut entries = 0_u32;
        if let Some(store) = &self.answers {
            store.for_each(|key, entry| {
                if entry.is_of_use(now)
                    && let (Ok(key_octets), Ok(left)) =
                        (u16::try_from(key.len()), i32::try_from(entry.seconds_left(now)))
                {
                    let message = entry.raw().octets();
                    let fourth = octets.len() + key.len() + 2 + 4 + 4 + 3;
                    octets.extend(key_octets.to_be_bytes());
                    octets.extend(key);
                    octets.extend(left.to_be_bytes());
                    octets.extend((message.len() as u32).to_be_bytes());
                    octets.extend(message);
                    if let Some(octet) = octets.get_mut(fourth).filter(|_| entry.raw().is_authentic()) {
                        *octet |= (flags::AD & 0xff) as u8;
                    }
                    entries += 1;
                }
            });
        }
        if let Some(place) = octets.get_mut(HEAD - 4..HEAD) {
            place.copy_from_slice(&entries.to_be_bytes());
        }
        octets.extend(Checksum::of(&octets).to_be_bytes());
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let beside = path.with_file_name(name);
        let mut file = BufWriter::new(fs::File::create(&beside)?);
        file.write_all(&octets)?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&beside, path)?;
        Ok(Kept { entries: entries as usize, octets: octets.len() as u64 })
    }

    /// Takes the answers of a saved file, as old as they are by now. What does not fit the bound is left out.
    ///
    /// # Errors
    /// [`LoadError`]; the cache is then as before.
    pub fn load(&self, path: &Path, now: Moment) -> Result<Kept, LoadError> {
        self.load_at(path, now, wall_clock())
    }

    pub(super) fn load_at(&self, path: &Path, now: Moment, today: u64) -> Result<Kept, LoadError> {
        let file = fs::File::open(path)?;
        if file.metadata()?.len() > MAX_FILE_OCTETS {
            return Err(LoadError::Large);
        }
        let mut octets = Vec::new();
        file.take(MAX_FILE_OCTETS).read_to_end(&mut octets)?;
        if !octets.starts_with(MAGIC) {
            return Err(LoadError::Version);
        }
        let (body, sum) = octets.split_last_chunk::<8>().ok_or(LoadError::Checksum)?;
        if Checksum::of(body) != u64::from_be_bytes(*sum) || body.len() < HEAD {
            return Err(LoadError::Checksum);
        }
        let mut reader = Reader { octets: body, at: MAGIC.len() };
        let written = reader.number::<8>().map_or(0, u64::from_be_bytes);
        let entries = reader.number::<4>().map_or(0, u32::from_be_bytes);
        // A clock that went back makes nothing younger.
        let away = i64::try_from(today.saturating_sub(written)).unwrap_or(i64::MAX);
        let mut taken = 0;
        for _ in 0..entries {
            let Some(saved) = reader.entry() else { break };
            taken += usize::from(self.take(&saved, away, now).is_some());
        }
        Ok(Kept { entries: taken, octets: octets.len() as u64 })
    }

    fn take(&self, saved: &Saved<'_>, away: i64, now: Moment) -> Option<()> {
        let key = Key::from_octets(saved.key)?;
        let raw = RawAnswer::from_upstream(saved.message, &key).ok()?;
        let left = i64::from(saved.left).saturating_sub(away);
        let entry = Entry::revived(raw, left, now, self.limits())?;
        if entry.is_of_use(now)
            && let Some(store) = &self.answers
        {
            store.insert(Arc::new(entry.of(&key)), now);
            return Some(());
        }
        None
    }
}

struct Saved<'f> {
    key: &'f [u8],
    left: i32,
    message: &'f [u8],
}

struct Reader<'f> {
    octets: &'f [u8],
    at: usize,
}

impl<'f> Reader<'f> {
    fn octets(&mut self, length: usize) -> Option<&'f [u8]> {
        let octets = self.octets.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(octets)
    }

    fn number<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.octets(N)?.first_chunk().copied()
    }

    fn entry(&mut self) -> Option<Saved<'f>> {
        let length = u16::from_be_bytes(self.number()?);
        let key = self.octets(usize::from(length))?;
        let left = i32::from_be_bytes(self.number()?);
        let length = u32::from_be_bytes(self.number()?);
        let message = self.octets(usize::try_from(length).ok()?)?;
        Some(Saved { key, left, message })
    }
}
