//! Batches on connected sockets: what is sent to upstream servers and what they send.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use super::{BATCH, empty_headers};

/// Largest query that is sent, in octets: header, name, question, OPT with options.
pub const OUTGOING_OCTETS: usize = 512;
/// Room for one datagram received, in octets; a larger one arrives cut to this.
const INCOMING_OCTETS: usize = 1_408;
/// Datagrams taken by one system call.
const INCOMING: usize = 32;

/// Datagrams that wait to be sent, each on a connected socket that is named by a number.
pub struct Departures {
    buffers: Box<[[u8; OUTGOING_OCTETS]]>,
    lengths: [usize; BATCH],
    sockets: [u32; BATCH],
    vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    count: usize,
}

/// Datagrams that were received on one connected socket.
pub struct Arrivals {
    buffers: Box<[[u8; INCOMING_OCTETS]]>,
    vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
}

// SAFETY: the raw pointers in `vectors` and `headers` are set from the other fields right before each system call and
// used only by it.
unsafe impl Send for Departures {}
// SAFETY: as above.
unsafe impl Send for Arrivals {}

fn no_vectors() -> Box<[libc::iovec]> {
    vec![libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; BATCH].into()
}

impl Default for Departures {
    fn default() -> Self {
        Self {
            buffers: vec![[0; OUTGOING_OCTETS]; BATCH].into(),
            lengths: [0; BATCH],
            sockets: [0; BATCH],
            vectors: no_vectors(),
            headers: empty_headers(),
            count: 0,
        }
    }
}

impl Departures {
    /// Whether it must be flushed before another datagram is written.
    pub fn is_full(&self) -> bool {
        self.count >= BATCH
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Where the next datagram is written; none when full.
    pub fn buffer(&mut self) -> Option<&mut [u8; OUTGOING_OCTETS]> {
        self.buffers.get_mut(self.count)
    }

    /// The first `length` octets of the buffer leave on `socket`.
    pub fn push(&mut self, length: usize, socket: u32) {
        if let (Some(place), Some(number)) = (self.lengths.get_mut(self.count), self.sockets.get_mut(self.count)) {
            *place = length.min(OUTGOING_OCTETS);
            *number = socket;
            self.count += 1;
        }
    }

    /// Sends all that waits, with one system call a socket. `descriptor` finds a socket by its number; `failed` is told
    /// each socket that reports an error, once. What a full send buffer does not take is lost, as in a network.
    pub fn flush(&mut self, descriptor: impl Fn(u32) -> Option<RawFd>, mut failed: impl FnMut(u32)) {
        let count = std::mem::take(&mut self.count);
        let mut done = [false; BATCH];
        for first in 0..count {
            if done[first] {
                continue;
            }
            let socket = self.sockets[first];
            let mut batch = 0;
            for index in (first..count).filter(|index| self.sockets[*index] == socket) {
                done[index] = true;
                let vector = &mut self.vectors[batch];
                vector.iov_base = self.buffers[index].as_mut_ptr().cast();
                vector.iov_len = self.lengths[index];
                let header = &mut self.headers[batch].msg_hdr;
                header.msg_iov = vector;
                header.msg_iovlen = 1;
                batch += 1;
            }
            if let Some(descriptor) = descriptor(socket)
                && self.send(descriptor, batch).is_err()
            {
                failed(socket);
            }
        }
    }

    fn send(&mut self, descriptor: RawFd, count: usize) -> io::Result<()> {
        let mut at = 0;
        while at < count {
            // SAFETY: the headers from `at` to `count` have no name and no control message, and point at vectors over
            // buffers that are alive and of the sizes given; the kernel only reads them and writes `msg_len`.
            let sent = unsafe {
                libc::sendmmsg(
                    descriptor,
                    self.headers[at..count].as_mut_ptr(),
                    (count - at) as libc::c_uint,
                    libc::MSG_DONTWAIT,
                )
            };
            if sent < 0 {
                let error = io::Error::last_os_error();
                match error.kind() {
                    io::ErrorKind::Interrupted => continue,
                    io::ErrorKind::WouldBlock => return Ok(()),
                    _ => return Err(error),
                }
            }
            at += usize::try_from(sent).unwrap_or(0).max(1);
        }
        Ok(())
    }
}

impl Default for Arrivals {
    fn default() -> Self {
        Self { buffers: vec![[0; INCOMING_OCTETS]; INCOMING].into(), vectors: no_vectors(), headers: empty_headers() }
    }
}

impl Arrivals {
    /// Receives up to 32 datagrams without waiting, and returns how many.
    ///
    /// # Errors
    /// `WouldBlock` when there is none; else what the socket reports, an ICMP error among it.
    pub fn receive(&mut self, socket: &impl AsRawFd) -> io::Result<usize> {
        for index in 0..INCOMING {
            let vector = &mut self.vectors[index];
            vector.iov_base = self.buffers[index].as_mut_ptr().cast();
            vector.iov_len = INCOMING_OCTETS;
            let header = &mut self.headers[index].msg_hdr;
            header.msg_iov = vector;
            header.msg_iovlen = 1;
        }
        // SAFETY: every header points at a vector over a buffer of its own, alive and of the size given, and at no name
        // and no control message; the kernel writes no more than that.
        let got = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                INCOMING as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        usize::try_from(got).map_err(|_| io::Error::last_os_error())
    }

    /// Whether a batch of `count` was full, so that there may be more.
    pub fn is_whole(&self, count: usize) -> bool {
        count >= INCOMING
    }

    /// A datagram of the last batch.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let header = self.headers.get(index)?;
        self.buffers.get(index)?.get(..header.msg_len as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    fn pair() -> (UdpSocket, UdpSocket) {
        let [one, other] = [0, 1].map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
        one.connect(other.local_addr().unwrap()).unwrap();
        other.connect(one.local_addr().unwrap()).unwrap();
        (one, other)
    }

    #[test]
    fn datagrams_leave_each_on_its_socket_and_in_order() {
        let pairs = [pair(), pair()];
        let mut departures = Departures::default();
        for number in 0..BATCH {
            departures.buffer().unwrap()[0] = number as u8;
            departures.push(1 + number, (number % 2) as u32);
        }
        assert!(departures.is_full() && departures.buffer().is_none());
        departures.flush(|socket| Some(pairs[socket as usize].0.as_raw_fd()), |_| panic!("no socket failed"));
        assert!(departures.is_empty());
        let mut arrivals = Arrivals::default();
        for (which, (_, other)) in pairs.iter().enumerate() {
            assert_eq!(arrivals.receive(other).unwrap(), INCOMING);
            for index in 0..INCOMING {
                let datagram = arrivals.get(index).unwrap();
                let number = 2 * index + which;
                assert_eq!((datagram.len(), datagram[0]), (1 + number, number as u8));
            }
            assert_eq!(arrivals.receive(other).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        }
    }

    #[test]
    fn a_closed_port_is_told() {
        let (one, other) = pair();
        drop(other);
        let mut departures = Departures::default();
        let mut failures = 0;
        for _ in 0..2 {
            departures.push(1, 7);
            departures.flush(|_| Some(one.as_raw_fd()), |socket| failures += socket);
        }
        let told = failures == 7 || Arrivals::default().receive(&one).is_err();
        assert!(told, "ICMP port unreachable is an error of the next call");
    }
}
