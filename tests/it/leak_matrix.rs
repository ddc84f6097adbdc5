//! The leak matrix (S-23, R25): guarded names of every kind × state × alias depth × type × transport × guard mode, seen
//! from two views that hold the same names. No public address, no hint and nothing of the other view may leave; what is
//! withheld is NODATA with the synthetic SOA and EDE 15, and every withheld answer is in the audit log. Under `watch` and
//! `off` the same names get what they would get without a guard.
//!
//! In this process where a socket adds nothing (fresh, cached, stale, reloading, lying, down, cut for the client); over
//! sockets where the exchange itself is at stake (coalesced, reloading, down, truncated by the upstream, cut for the
//! client).

mod in_process;
mod over_sockets;
mod world;
