//! The host names of one session: out of an `.rdp` file, or out of a session host's exported registry values.
//!
//! Both are texts of Windows, often UTF-16. Nothing but host names is taken.

/// The largest file that is read, in octets.
pub const LARGEST_FILE: usize = 8 << 20;

/// Keys of an `.rdp` file that hold a host name or URL.
const RDP_KEYS: [&str; 3] = ["gatewayhostname", "hubdiscoverygeourl", "diagnosticserviceurl"];
/// Values of the agent's registry key that hold one.
const REGISTRY_VALUES: [&str; 5] =
    ["brokerresourceiduri", "brokerresourceiduriglobal", "brokeruri", "brokeruriglobal", "diagnosticsuri"];
/// The agent's registry key, by its last part.
const REGISTRY_KEY: &str = "\\rdinfraagent";

/// A host name and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName {
    /// The name, in lower case.
    pub name: String,
    /// The key or value that holds it.
    pub key: String,
    /// The line, from 1.
    pub line: usize,
}

/// Why a file gives no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is over [`LARGEST_FILE`].
    #[error("it has more than {LARGEST_FILE} octets")]
    TooLarge,
    /// It is neither UTF-8 nor UTF-16.
    #[error("it is neither UTF-8 nor UTF-16")]
    NotText,
}

/// A file's text: UTF-8, or UTF-16 by its byte order mark or by the look of its first octets.
///
/// # Errors
/// When it is none of these.
pub fn text(octets: &[u8]) -> Result<String, Error> {
    if octets.len() > LARGEST_FILE {
        return Err(Error::TooLarge);
    }
    let utf16 = |octets: &[u8], unit: fn([u8; 2]) -> u16| {
        let (units, rest) = octets.as_chunks::<2>();
        let text = String::from_utf16(&units.iter().map(|octets| unit(*octets)).collect::<Vec<u16>>());
        text.ok().filter(|_| rest.is_empty()).ok_or(Error::NotText)
    };
    match octets {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).map_err(|_| Error::NotText),
        // A text of these kinds begins with an ASCII letter, `[` or a line's end.
        [first, 0, second, 0, ..] if *first != 0 && *second != 0 => utf16(octets, u16::from_le_bytes),
        _ => String::from_utf8(octets.to_vec()).ok().filter(|text| !text.contains('\0')).ok_or(Error::NotText),
    }
}

/// The host names of an `.rdp` file: `key:s:value` lines.
pub fn rdp(text: &str) -> Vec<HostName> {
    let name = |(index, line): (usize, &str)| {
        let (key, rest) = line.split_once(':')?;
        let (kind, value) = rest.split_once(':')?;
        let key = key.trim().to_ascii_lowercase();
        if !kind.eq_ignore_ascii_case("s") || !(RDP_KEYS.contains(&&*key) || is_url(value)) {
            return None;
        }
        Some(HostName { name: host(value)?, key, line: index + 1 })
    };
    unique(text.lines().enumerate().filter_map(name))
}

/// The host names of a registry export (`.reg`): values of the agent's key, or of any where the text names no key.
pub fn registry(text: &str) -> Vec<HostName> {
    let mut inside = true;
    let name = |(index, line): (usize, &str)| {
        let line = line.trim();
        if let Some(key) = line.strip_prefix('[') {
            inside = key.trim_end_matches(']').to_ascii_lowercase().contains(REGISTRY_KEY);
            return None;
        }
        let (key, value) = line.strip_prefix('"')?.split_once("\"=\"").filter(|_| inside)?;
        let value = value.strip_suffix('"')?.replace("\\\\", "\\").replace("\\\"", "\"");
        if !(REGISTRY_VALUES.contains(&&*key.to_ascii_lowercase()) || is_url(&value)) {
            return None;
        }
        Some(HostName { name: host(&value)?, key: key.to_owned(), line: index + 1 })
    };
    unique(text.lines().enumerate().filter_map(name))
}

/// Each name once, as first seen.
fn unique(names: impl Iterator<Item = HostName>) -> Vec<HostName> {
    let mut found: Vec<HostName> = Vec::new();
    for name in names {
        if found.iter().all(|own| own.name != name.name) {
            found.push(name);
        }
    }
    found
}

fn is_url(value: &str) -> bool {
    let scheme = value.trim().split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("wss"))
}

/// The host of a URL, or of a name with or without a port; none where it is no name of more than one label.
fn host(value: &str) -> Option<String> {
    let value = value.trim();
    let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = authority.split(':').next()?.trim_end_matches('.').to_ascii_lowercase();
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '_';
    let address = host.parse::<std::net::IpAddr>().is_ok();
    (host.contains('.') && !address && host.chars().all(fits)).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RDP: &str = "full address:s:10.0.0.4\r\ngatewayhostname:s:rdgateway-c221-UKS-r1.wvd.microsoft.com:443\r\n\
        hubdiscoverygeourl:s:https://rdweb-g-us-r0.wvd.microsoft.com/api/hubdiscovery\r\nuse multimon:i:0\r\n\
        diagnosticserviceurl:s:https://rddiagnostics-g-us-r0.wvd.microsoft.com/\r\nresourceprovider:s:arm\r\n";

    const REGISTRY: &str = "Windows Registry Editor Version 5.00\r\n\r\n\
        [HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\RDInfraAgent]\r\n\
        \"BrokerURI\"=\"https://rdbroker-g-us-r0.wvd.microsoft.com/\"\r\n\
        \"BrokerResourceIdURI\"=\"https://fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f.rdbroker-g-us-r0.wvd.microsoft.com/\"\r\n\
        \"IsRegistered\"=dword:00000001\r\n\"Path\"=\"C:\\\\Program Files\\\\x.y\"\r\n\
        [HKEY_LOCAL_MACHINE\\SOFTWARE\\Other]\r\n\"Url\"=\"https://other.example/\"\r\n";

    fn names(found: &[HostName]) -> Vec<&str> {
        found.iter().map(|own| &*own.name).collect()
    }

    #[test]
    fn an_rdp_file_gives_its_gateway_and_its_services() {
        let found = rdp(RDP);
        assert_eq!(
            names(&found),
            [
                "rdgateway-c221-uks-r1.wvd.microsoft.com",
                "rdweb-g-us-r0.wvd.microsoft.com",
                "rddiagnostics-g-us-r0.wvd.microsoft.com",
            ]
        );
        assert_eq!((&*found[0].key, found[0].line), ("gatewayhostname", 2));
    }

    #[test]
    fn a_registry_export_gives_the_agents_values_alone() {
        let found = registry(REGISTRY);
        assert_eq!(
            names(&found),
            [
                "rdbroker-g-us-r0.wvd.microsoft.com",
                "fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f.rdbroker-g-us-r0.wvd.microsoft.com",
            ]
        );
        assert_eq!(names(&registry("\"DiagnosticsUri\"=\"https://a.example:443\"")), ["a.example"]);
    }

    #[test]
    fn texts_of_every_encoding_are_read() {
        let little: Vec<u8> = REGISTRY.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = REGISTRY.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for octets in [
            REGISTRY.as_bytes().to_vec(),
            [&[0xef, 0xbb, 0xbf], REGISTRY.as_bytes()].concat(),
            [&[0xff, 0xfe], &*little].concat(),
            [&[0xfe, 0xff], &*big].concat(),
            little.clone(),
        ] {
            assert_eq!(text(&octets).as_deref(), Ok(REGISTRY));
        }
        for octets in [&[0xff, 0xfe, 1][..], &[0xc0, 0xc1], b"a\0b"] {
            assert_eq!(text(octets), Err(Error::NotText));
        }
        assert_eq!(text(b""), Ok(String::new()));
    }
}
