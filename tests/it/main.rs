//! The integration tests: one binary, a module a behaviour. The real server runs as a child process on loopback
//! beside a scripted upstream; replies are read by a decoder of their own; an oracle that shares nothing with the
//! product says what a reply has to be. Names of tests carry the ids of the field cases (`d_01a_…`) and of the rules
//! (`r22_…`) that they hold.

#![expect(clippy::print_stdout, reason = "a failed test shows its seed and its counts")]

mod harness;
mod oracle;

mod admin;
mod alias;
mod avd;
mod bad_input;
mod bailiwick;
mod caching;
mod chains;
mod cli;
mod compliance;
mod config;
mod cookies;
mod coverage;
mod ctl;
mod deploy;
mod diff;
mod docs;
mod doctor;
mod dying;
mod edns;
mod encrypted;
mod explained;
mod faults;
mod floors;
mod forwarding;
mod health;
mod healthcheck;
mod hostile;
mod import;
mod import_bad;
mod import_other;
mod leak_matrix;
mod loops;
mod memory;
mod metrics;
mod names;
mod negative;
mod overload;
mod parity;
mod policy;
mod probes;
mod pure;
mod query;
mod query_log;
mod quirks;
mod reload;
mod reload_load;
mod replay;
mod reverse;
mod rules;
mod sarif;
mod seeds;
mod setups;
mod shutdown;
mod smuggling;
mod spoofing;
mod stale;
mod tcp;
mod truncation;
mod types;
mod views;
mod vnets;
mod warmth;
mod watch;
mod zones;
