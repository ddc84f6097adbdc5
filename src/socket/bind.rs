//! Binding listeners.

use std::io;
use std::mem::size_of;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsRawFd;

use socket2::{Domain, Protocol, Socket, Type};

/// Receive and send buffer asked for, in octets; the kernel may grant less (`net.core.rmem_max`).
const BUFFER_OCTETS: usize = 4 << 20;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 1_024;

/// Binds a UDP socket that shares its port with the other workers' sockets. `v6_only` keeps a `[::]` listener from
/// taking IPv4 clients.
///
/// # Errors
/// What the kernel says, the address being taken or not ours among it.
pub fn bind_udp(address: SocketAddr, v6_only: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(v6_only)?;
    }
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    // What is granted is what there is; a smaller buffer is no reason not to serve.
    let _ = socket.set_recv_buffer_size(BUFFER_OCTETS);
    let _ = socket.set_send_buffer_size(BUFFER_OCTETS);
    if address.ip().is_unspecified() {
        ask_for_local_address(&socket, address.is_ipv6())?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Has the kernel say with each datagram which local address it was sent to.
fn ask_for_local_address(socket: &Socket, v6: bool) -> io::Result<()> {
    let (level, option) =
        if v6 { (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO) } else { (libc::IPPROTO_IP, libc::IP_PKTINFO) };
    let on: libc::c_int = 1;
    // SAFETY: the option's value is an int that lives over the call, and its size is given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Binds a TCP listener. It does not share its port, so that a second instance fails here: UDP's sockets alone would let
/// it in silently.
///
/// # Errors
/// As [`bind_udp`].
pub fn bind_tcp(address: SocketAddr, v6_only: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(v6_only)?;
    }
    // Connections of an earlier process in TIME_WAIT do not hold the port (RFC 9293 §3.6.1).
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// What to do about a listener that cannot be bound, to be put behind what the kernel says; empty where nothing is known.
pub fn cure(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another process listens there, such as a second hubdns or a stub resolver: stop it, or listen elsewhere"
        }
        io::ErrorKind::PermissionDenied => {
            "; add the capability CAP_NET_BIND_SERVICE (under Docker without no-new-privileges), set the sysctl \
             net.ipv4.ip_unprivileged_port_start, or listen on a port above 1023"
        }
        io::ErrorKind::AddrNotAvailable => "; it is not an address of this host: `ip address` lists those it has",
        _ => "",
    }
}

/// The address that a listener is bound to.
///
/// # Errors
/// What the kernel says.
pub fn local_address(socket: &UdpSocket) -> io::Result<SocketAddr> {
    socket.local_addr()
}

/// What the kernel holds for a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketMemory {
    /// Its receive buffer in octets, bookkeeping included, as granted.
    pub buffer_octets: u32,
    /// Datagrams dropped so far since the buffer was full.
    pub drops: u32,
}

/// Asks the kernel for a socket's buffer and drops.
///
/// # Errors
/// What the kernel says; before Linux 4.12 it does not know the option.
pub fn memory(socket: &UdpSocket) -> io::Result<SocketMemory> {
    // `linux/sock_diag.h`: SK_MEMINFO_RCVBUF, SK_MEMINFO_DROPS, SK_MEMINFO_VARS.
    const BUFFER: usize = 1;
    const DROPS: usize = 8;
    const COUNT: usize = 9;
    let mut figures = [0_u32; COUNT];
    let mut length = size_of_val(&figures) as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` octets, which are those of `figures`, and any octets are numbers.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            figures.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result == 0 {
        Ok(SocketMemory { buffer_octets: figures[BUFFER], drops: figures[DROPS] })
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Raises the limit of open descriptors to what the system allows, and returns it.
pub fn raise_descriptor_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a whole `rlimit` that lives over both calls.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 {
            return 1_024;
        }
        let raised = libc::rlimit { rlim_cur: limit.rlim_max, rlim_max: limit.rlim_max };
        if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) == 0 { limit.rlim_max } else { limit.rlim_cur }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_that_find_the_buffer_full_are_counted() {
        let socket = bind_udp("127.0.0.1:0".parse().unwrap(), false).unwrap();
        let to = local_address(&socket).unwrap();
        let before = memory(&socket).unwrap();
        assert!(before.buffer_octets >= 2_048, "{before:?}");
        assert_eq!(before.drops, 0);
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        // Each datagram counts with its bookkeeping: a buffer's size in payload is more than it holds.
        for _ in 0..before.buffer_octets / 8_192 + 64 {
            sender.send_to(&[0; 8_192], to).unwrap();
        }
        assert!(memory(&socket).unwrap().drops > 0);
    }
}
