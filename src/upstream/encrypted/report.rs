//! What the log says of an encrypted server: one line when it fails, one when it is back, none for each question.

use std::time::Duration;

use hickory_net::NetError;
use tokio::time::Instant;

use crate::upstream::Server;

/// How often one and the same trouble is told while it lasts.
const AGAIN: Duration = Duration::from_secs(60);
/// How often it is told of a server that comes and goes.
const ANEW: Duration = Duration::from_secs(10);
/// How much of a reason is told, in characters; some of it may be the server's own words.
const REASON: usize = 300;

/// What kind of trouble a server gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Certificate,
    Unreachable,
    Odd,
}

/// What was told of one server.
#[derive(Debug, Default)]
pub(super) struct Report {
    told: Option<(Trouble, Instant)>,
    skipped: u64,
    /// It was told that there is no connection, and not yet that there is one again.
    lost: bool,
}

impl Report {
    /// It could not be connected to.
    pub(super) fn failed(&mut self, server: &Server, error: &NetError) {
        let certificate = certificate_fault(error);
        let trouble = if certificate.is_some() { Trouble::Certificate } else { Trouble::Unreachable };
        let Some(skipped) = self.takes(trouble) else { return };
        self.lost = true;
        let name = server.transport.peer().map_or("", |peer| &peer.name);
        match certificate {
            Some(reason) => tracing::warn!(
                action = "certificate-refused", %server, expected = name, reason = plain(&reason), skipped,
                "the certificate of an upstream is refused; it is sent nothing"
            ),
            None => tracing::warn!(
                action = "unreachable", %server, expected = name, reason = plain(&error.to_string()), skipped,
                "an encrypted upstream cannot be reached"
            ),
        }
    }

    /// It sent what is no reply.
    pub(super) fn odd(&mut self, server: &Server, reason: &str) {
        if let Some(skipped) = self.takes(Trouble::Odd) {
            tracing::warn!(action = "no-reply", %server, reason = plain(reason), skipped, "an encrypted upstream does not answer");
        }
    }

    /// It was connected to.
    pub(super) fn reached(&mut self, server: &Server) {
        if std::mem::take(&mut self.lost) {
            tracing::info!(action = "reached", %server, "an encrypted upstream is reached again");
        }
    }

    /// How many were not told before this one, if it is to be told.
    fn takes(&mut self, trouble: Trouble) -> Option<u64> {
        let pause = if self.lost || trouble == Trouble::Odd { AGAIN } else { ANEW };
        if self.told.is_some_and(|(other, when)| other == trouble && when.elapsed() < pause) {
            self.skipped = self.skipped.saturating_add(1);
            return None;
        }
        self.told = Some((trouble, Instant::now()));
        Some(std::mem::take(&mut self.skipped))
    }
}

/// Why rustls refuses a certificate, if it is that.
fn certificate_fault(error: &NetError) -> Option<String> {
    let tls = match error {
        NetError::Io(error) => error.get_ref()?.downcast_ref::<rustls::Error>()?,
        NetError::RustlsError(error) => error,
        _ => return None,
    };
    match tls {
        rustls::Error::InvalidCertificate(fault) => Some(fault.to_string()),
        rustls::Error::NoCertificatesPresented => Some(tls.to_string()),
        _ => None,
    }
}

/// A reason in one line without control characters.
fn plain(reason: &str) -> String {
    reason.chars().take(REASON).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
