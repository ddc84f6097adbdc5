//! UDP sockets in batches: `recvmmsg`, `sendmmsg`, `SO_REUSEPORT`, and the local address of a datagram behind a wildcard
//! listener (IP_PKTINFO, RFC 3542 §6.1). The only folder where `unsafe` may live.
#![allow(unsafe_code, reason = "the system calls below have no safe form without an allocation a batch")]

mod bind;
mod capability;
mod connected;

use std::io;
use std::mem::{MaybeUninit, offset_of, size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;

pub use connected::{Arrivals, Departures, OUTGOING_OCTETS};

pub use bind::{SocketMemory, bind_tcp, bind_udp, cure, local_address, memory, raise_descriptor_limit};
pub use capability::{renounce, with_bind_service};

/// Datagrams moved by one system call at most.
pub const BATCH: usize = 64;
/// How many a call makes room for at least, however few came of late.
const FEW: usize = 8;
/// Largest query taken over UDP, in octets; a longer one arrives cut and is answered with FORMERR. No power of two: the
/// buffers of a batch would have their first lines in the same few places of the processor's caches.
const QUERY_OCTETS: usize = 4_096 + 64;
/// Room for a reply over UDP, in octets.
const REPLY_OCTETS: usize = 1_232;
/// Room for the control messages that are asked for: one packet-information structure of either family.
const CONTROL_OCTETS: usize = 64;

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL_OCTETS]);

/// The address of a client as the kernel gave it; passed back as it is.
#[derive(Clone, Copy)]
pub struct Peer {
    storage: libc::sockaddr_in6,
    length: libc::socklen_t,
}

impl Peer {
    fn empty() -> Self {
        // SAFETY: all octets zero are a valid `sockaddr_in6`: it has only numbers.
        Self { storage: unsafe { zeroed() }, length: 0 }
    }

    /// The address; none for a family that no listener of ours has.
    pub fn address(&self) -> Option<SocketAddr> {
        match i32::from(self.storage.sin6_family) {
            libc::AF_INET => {
                // SAFETY: `sockaddr_in` is smaller than `sockaddr_in6`, has no stricter alignment, and the family says
                // that the kernel wrote one.
                let four = unsafe { &*(&raw const self.storage).cast::<libc::sockaddr_in>() };
                let address = Ipv4Addr::from(u32::from_be(four.sin_addr.s_addr));
                Some(SocketAddrV4::new(address, u16::from_be(four.sin_port)).into())
            }
            libc::AF_INET6 => {
                let (port, scope) = (u16::from_be(self.storage.sin6_port), self.storage.sin6_scope_id);
                Some(SocketAddrV6::new(Ipv6Addr::from(self.storage.sin6_addr.s6_addr), port, 0, scope).into())
            }
            _ => None,
        }
    }
}

/// A datagram that was received.
pub struct Datagram<'i> {
    /// Its octets.
    pub octets: &'i [u8],
    /// Who sent it.
    pub peer: Peer,
    /// The local address it was sent to, where the socket tells (a wildcard listener).
    pub local: Option<IpAddr>,
}

/// Room for a batch of received datagrams.
pub struct Inbox {
    buffers: Box<[[u8; QUERY_OCTETS]]>,
    peers: Box<[Peer]>,
    controls: Box<[Control]>,
    vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    /// How many datagrams the next call makes room for: twice as many as came of late.
    room: usize,
    is_full: bool,
}

impl Default for Inbox {
    fn default() -> Self {
        Self {
            buffers: vec![[0; QUERY_OCTETS]; BATCH].into(),
            peers: vec![Peer::empty(); BATCH].into(),
            controls: vec![Control([0; CONTROL_OCTETS]); BATCH].into(),
            vectors: vec![libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; BATCH].into(),
            headers: empty_headers(),
            room: FEW,
            is_full: false,
        }
    }
}

fn empty_headers() -> Box<[libc::mmsghdr]> {
    // SAFETY: all octets zero are a valid `mmsghdr`: numbers and null pointers.
    (0..BATCH).map(|_| unsafe { MaybeUninit::<libc::mmsghdr>::zeroed().assume_init() }).collect()
}

// SAFETY: the raw pointers in `vectors` and `headers` are set from the other fields right before each system call and
// used only by it.
unsafe impl Send for Inbox {}
// SAFETY: as above.
unsafe impl Send for Outbox {}

impl Inbox {
    /// Receives up to [`BATCH`] datagrams without waiting, fewer while few come, and returns how many.
    ///
    /// # Errors
    /// `WouldBlock` when there is none; else what the socket reports.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        for index in 0..self.room {
            let vector = &mut self.vectors[index];
            vector.iov_base = self.buffers[index].as_mut_ptr().cast();
            vector.iov_len = QUERY_OCTETS;
            let header = &mut self.headers[index].msg_hdr;
            header.msg_name = (&raw mut self.peers[index].storage).cast();
            header.msg_namelen = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            header.msg_control = self.controls[index].0.as_mut_ptr().cast();
            header.msg_controllen = CONTROL_OCTETS;
            header.msg_flags = 0;
        }
        // SAFETY: each of the first `room` headers points at a name, a vector and a control buffer of its own, all alive and
        // of the sizes given; the kernel writes no more than those.
        let got = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                self.room as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        if got < 0 {
            self.is_full = false;
            return Err(io::Error::last_os_error());
        }
        let got = got as usize;
        for (peer, header) in self.peers.iter_mut().zip(&self.headers).take(got) {
            peer.length = header.msg_hdr.msg_namelen;
        }
        self.is_full = got == self.room;
        self.room = (got * 2).clamp(FEW, BATCH);
        Ok(got)
    }

    /// Whether the last call was filled: more may wait.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// A datagram of the last batch.
    pub fn get(&self, index: usize) -> Option<Datagram<'_>> {
        let header = self.headers.get(index)?;
        let octets = self.buffers.get(index)?.get(..header.msg_len as usize)?;
        let local = local_of(&self.controls.get(index)?.0, header.msg_hdr.msg_controllen);
        Some(Datagram { octets, peer: *self.peers.get(index)?, local })
    }
}

/// Offset of the data behind a control message's header.
const DATA: usize = size_of::<libc::cmsghdr>();

/// The local address in a control buffer.
fn local_of(control: &[u8; CONTROL_OCTETS], length: usize) -> Option<IpAddr> {
    let number = |at: usize| {
        control.get(at..at + 4).map(|octets| i32::from_ne_bytes([octets[0], octets[1], octets[2], octets[3]]))
    };
    if length < DATA {
        return None;
    }
    let level = number(offset_of!(libc::cmsghdr, cmsg_level))?;
    let kind = number(offset_of!(libc::cmsghdr, cmsg_type))?;
    match (level, kind) {
        (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
            let at = DATA + offset_of!(libc::in_pktinfo, ipi_addr);
            let octets: [u8; 4] = control.get(at..at + 4)?.try_into().ok()?;
            Some(IpAddr::from(octets))
        }
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
            let at = DATA + offset_of!(libc::in6_pktinfo, ipi6_addr);
            let octets: [u8; 16] = control.get(at..at + 16)?.try_into().ok()?;
            Some(IpAddr::from(octets))
        }
        _ => None,
    }
}

/// Writes the control message that makes a datagram leave from `local`; returns its octets.
fn write_local(control: &mut [u8; CONTROL_OCTETS], local: IpAddr, socket_is_v6: bool) -> usize {
    control.fill(0);
    let mut put = |at: usize, octets: &[u8]| control[at..at + octets.len()].copy_from_slice(octets);
    let (level, kind, length) = match (socket_is_v6, local) {
        (false, IpAddr::V4(address)) => {
            put(DATA + offset_of!(libc::in_pktinfo, ipi_spec_dst), &address.octets());
            (libc::IPPROTO_IP, libc::IP_PKTINFO, DATA + size_of::<libc::in_pktinfo>())
        }
        (_, address) => {
            let address = match address {
                IpAddr::V4(address) => address.to_ipv6_mapped(),
                IpAddr::V6(address) => address,
            };
            put(DATA + offset_of!(libc::in6_pktinfo, ipi6_addr), &address.octets());
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, DATA + size_of::<libc::in6_pktinfo>())
        }
    };
    put(offset_of!(libc::cmsghdr, cmsg_len), &length.to_ne_bytes());
    put(offset_of!(libc::cmsghdr, cmsg_level), &level.to_ne_bytes());
    put(offset_of!(libc::cmsghdr, cmsg_type), &kind.to_ne_bytes());
    // The header's size is a multiple of the alignment, and the kernel takes the last message unpadded or padded.
    length.next_multiple_of(size_of::<usize>())
}

/// Replies that wait to be sent on one socket.
pub struct Outbox {
    buffers: Box<[[u8; REPLY_OCTETS]]>,
    lengths: [usize; BATCH],
    peers: Box<[Peer]>,
    controls: Box<[Control]>,
    control_lengths: [usize; BATCH],
    vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    count: usize,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            buffers: vec![[0; REPLY_OCTETS]; BATCH].into(),
            lengths: [0; BATCH],
            peers: vec![Peer::empty(); BATCH].into(),
            controls: vec![Control([0; CONTROL_OCTETS]); BATCH].into(),
            control_lengths: [0; BATCH],
            vectors: vec![libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; BATCH].into(),
            headers: empty_headers(),
            count: 0,
        }
    }
}

impl Outbox {
    /// Whether it must be flushed before another reply is written.
    pub fn is_full(&self) -> bool {
        self.count >= BATCH
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Where the next reply is written. Empty when full.
    pub fn buffer(&mut self) -> &mut [u8] {
        self.buffers.get_mut(self.count).map_or(&mut [], |buffer| buffer.as_mut_slice())
    }

    /// The first `length` octets of the buffer are a reply to `peer`, which asked `local`.
    pub fn push(&mut self, length: usize, peer: Peer, local: Option<IpAddr>, socket_is_v6: bool) {
        let index = self.count;
        if index >= BATCH {
            return;
        }
        self.lengths[index] = length.min(REPLY_OCTETS);
        self.peers[index] = peer;
        self.control_lengths[index] =
            local.map_or(0, |local| write_local(&mut self.controls[index].0, local, socket_is_v6));
        self.count += 1;
    }

    /// Sends all that waits and returns how many datagrams the socket did not take; they are dropped, as a network may.
    pub fn flush(&mut self, socket: &UdpSocket) -> usize {
        let count = std::mem::take(&mut self.count);
        for index in 0..count {
            let vector = &mut self.vectors[index];
            vector.iov_base = self.buffers[index].as_mut_ptr().cast();
            vector.iov_len = self.lengths[index];
            let header = &mut self.headers[index].msg_hdr;
            header.msg_name = (&raw mut self.peers[index].storage).cast();
            header.msg_namelen = self.peers[index].length;
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            header.msg_control = match self.control_lengths[index] {
                0 => std::ptr::null_mut(),
                _ => self.controls[index].0.as_mut_ptr().cast(),
            };
            header.msg_controllen = self.control_lengths[index];
            header.msg_flags = 0;
        }
        let (mut at, mut dropped) = (0, 0);
        while at < count {
            // SAFETY: the headers from `at` to `count` point at names, vectors and control buffers that are alive and
            // of the sizes given; the kernel only reads them and writes `msg_len`.
            let sent = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    self.headers[at..count].as_mut_ptr(),
                    (count - at) as libc::c_uint,
                    libc::MSG_DONTWAIT,
                )
            };
            // The first of the rest could not be sent: to one client only, so the others go on.
            if sent <= 0 {
                dropped += 1;
            }
            at += usize::try_from(sent).unwrap_or(0).max(1);
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d_13b_a_reply_leaves_from_the_address_that_was_asked() {
        let server = bind_udp("0.0.0.0:0".parse().unwrap(), false).unwrap();
        let port = server.local_addr().unwrap().port();
        let (mut inbox, mut outbox) = (Inbox::default(), Outbox::default());
        for local in ["127.0.0.1", "127.0.10.7"] {
            let client = UdpSocket::bind("127.0.10.9:0").unwrap();
            client.connect((local, port)).unwrap();
            client.send(b"ask").unwrap();
            while inbox.receive(&server).is_err() {
                std::thread::yield_now();
            }
            let got = inbox.get(0).unwrap();
            assert_eq!((got.octets, got.local), (b"ask".as_slice(), Some(local.parse().unwrap())));
            assert_eq!(got.peer.address(), Some(client.local_addr().unwrap()));
            outbox.buffer()[..5].copy_from_slice(b"reply");
            let (peer, to) = (got.peer, got.local);
            outbox.push(5, peer, to, false);
            assert_eq!(outbox.flush(&server), 0);
            let mut buffer = [0; 16];
            // The client is connected: a reply from another address would never arrive.
            assert_eq!(client.recv(&mut buffer).unwrap(), 5);
        }
    }

    #[test]
    fn d_06c_a_dual_stack_socket_answers_mapped_clients() {
        let server = bind_udp("[::]:0".parse().unwrap(), false).unwrap();
        let port = server.local_addr().unwrap().port();
        let (mut inbox, mut outbox) = (Inbox::default(), Outbox::default());
        let client = UdpSocket::bind("127.0.10.9:0").unwrap();
        client.connect(("127.0.20.1", port)).unwrap();
        client.send(b"ask").unwrap();
        while inbox.receive(&server).is_err() {
            std::thread::yield_now();
        }
        let got = inbox.get(0).unwrap();
        assert_eq!(got.local.map(|local| local.to_canonical()), Some("127.0.20.1".parse().unwrap()));
        let (peer, to) = (got.peer, got.local);
        outbox.buffer()[0] = b'r';
        outbox.push(1, peer, to, true);
        assert_eq!(outbox.flush(&server), 0);
        assert_eq!(client.recv(&mut [0; 16]).unwrap(), 1);
    }
}
