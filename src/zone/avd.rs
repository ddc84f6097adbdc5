//! Azure Virtual Desktop's names: clouds and their suffixes, endpoint kinds, the two spellings of a name, GUID labels.
//!
//! The cloud table is Microsoft's list of private-link zones (azure-docs, `private-endpoint-dns.md`), read on
//! 2026-11-01. Names are never made up from it: it only tells which spelling of a known name is which (R13, R18).

use std::fmt;

use crate::wire::{Name, NameRef, WireName};

/// What a private endpoint is for; Azure's group ids are `global`, `feed` and `connection`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Initial feed discovery.
    Global,
    /// Feed download.
    Workspace,
    /// Connections.
    HostPool,
    /// Another service's private endpoint: its names as given, without the rules of AVD.
    Other,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Global, Self::Workspace, Self::HostPool, Self::Other];

    /// The word of the configuration file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Workspace => "workspace",
            Self::HostPool => "host-pool",
            Self::Other => "other",
        }
    }

    /// The AVD process that an endpoint of this kind carries (DESIGN.md section 4).
    pub fn process(self) -> &'static str {
        match self {
            Self::Global => "initial feed discovery",
            Self::Workspace => "feed download",
            Self::HostPool => "connections",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The suffixes of one Azure cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cloud {
    /// Its name, for people.
    pub name: String,
    /// What clients ask in: `wvd.microsoft.com`.
    pub public: Name,
    /// The private-link suffix of feed and connection names.
    pub private_link: Name,
    /// The private-link suffix of global names; the same as `private_link` in clouds that have one zone.
    pub private_link_global: Name,
}

impl Cloud {
    /// A cloud whose private-link suffixes are labels in front of its public one.
    ///
    /// Returns none when a suffix is no name.
    pub fn new(name: &str, public: &str, one_zone: bool) -> Option<Self> {
        let below = |label: &str| Name::from_presentation(&format!("{label}.{public}")).ok();
        Some(Self {
            name: name.into(),
            public: Name::from_presentation(public).ok()?,
            private_link: below("privatelink")?,
            private_link_global: below(if one_zone { "privatelink" } else { "privatelink-global" })?,
        })
    }
}

/// The clouds that are known by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clouds {
    clouds: Vec<Cloud>,
    /// How their public suffixes end.
    ends: Vec<u64>,
}

/// Which spelling of an AVD name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// Below the cloud's public suffix.
    Public,
    /// Below `privatelink`.
    PrivateLink,
    /// Below `privatelink-global`.
    PrivateLinkGlobal,
}

/// A name under a cloud's suffixes.
#[derive(Debug, Clone, Copy)]
pub struct AvdName<'c> {
    /// The cloud.
    pub cloud: &'c Cloud,
    /// Which of its suffixes.
    pub spelling: Spelling,
    /// The GUID label, where the name has one.
    pub guid: Option<u128>,
    /// Whether it is the suffix itself.
    pub is_suffix: bool,
}

impl AvdName<'_> {
    /// Whether it is at or below a private-link suffix.
    pub fn is_private_link(&self) -> bool {
        self.spelling != Spelling::Public
    }
}

impl Default for Clouds {
    fn default() -> Self {
        let table = [
            ("Azure", "wvd.microsoft.com"),
            ("Azure US Government", "wvd.azure.us"),
            ("Azure China (21Vianet)", "wvd.azure.cn"),
        ];
        let mut clouds = Self { clouds: Vec::new(), ends: Vec::new() };
        table.iter().filter_map(|(name, public)| Cloud::new(name, public, false)).for_each(|cloud| clouds.add(cloud));
        clouds
    }
}

/// The last octets of a name, by which most names are told from AVD's; zero for a shorter one.
#[inline]
fn end_of(name: NameRef<'_>) -> u64 {
    name.octets().last_chunk().map_or(0, |end| u64::from_ne_bytes(*end))
}

impl Clouds {
    /// Adds a cloud that the built-in table lacks.
    pub fn add(&mut self, cloud: Cloud) {
        self.ends.push(end_of(cloud.public.as_ref()));
        self.clouds.push(cloud);
    }

    /// All clouds.
    pub fn iter(&self) -> impl Iterator<Item = &Cloud> {
        self.clouds.iter()
    }

    /// Whether `name` may be under a cloud's suffix: a cheap look at its end.
    #[inline]
    pub fn may_hold(&self, name: NameRef<'_>) -> bool {
        let end = end_of(name);
        self.ends.iter().any(|own| *own == end || *own == 0)
    }

    /// What `name` is among AVD's names; none when it is under no cloud's suffix.
    #[inline]
    pub fn classify(&self, name: NameRef<'_>) -> Option<AvdName<'_>> {
        if self.may_hold(name) { self.among(name) } else { None }
    }

    fn among(&self, name: NameRef<'_>) -> Option<AvdName<'_>> {
        self.clouds.iter().find_map(|cloud| {
            name.relative_to(cloud.public.as_ref())?;
            let (spelling, suffix) = if name.is_at_or_below(cloud.private_link.as_ref()) {
                (Spelling::PrivateLink, &cloud.private_link)
            } else if name.is_at_or_below(cloud.private_link_global.as_ref()) {
                (Spelling::PrivateLinkGlobal, &cloud.private_link_global)
            } else {
                (Spelling::Public, &cloud.public)
            };
            let guid = name.labels().find_map(guid_of_label);
            Some(AvdName { cloud, spelling, guid, is_suffix: name == suffix.as_ref() })
        })
    }

    /// Both spellings of an AVD name, the public one first (R13). A name under no suffix, and a suffix itself, has none.
    pub fn pair(&self, name: NameRef<'_>, kind: Kind) -> Option<[WireName; 2]> {
        let avd = self.classify(name).filter(|avd| !avd.is_suffix)?;
        let own = match avd.spelling {
            Spelling::Public => &avd.cloud.public,
            Spelling::PrivateLink => &avd.cloud.private_link,
            Spelling::PrivateLinkGlobal => &avd.cloud.private_link_global,
        };
        let relative = name.relative_to(own.as_ref())?;
        let private = if kind == Kind::Global { &avd.cloud.private_link_global } else { &avd.cloud.private_link };
        let private = if avd.spelling == Spelling::Public { private } else { own };
        Some([avd.cloud.public.as_ref().prefixed(relative)?, private.as_ref().prefixed(relative)?])
    }

    /// Whether `name` is a private-link suffix of a cloud.
    pub fn is_private_link_suffix(&self, name: NameRef<'_>) -> bool {
        self.classify(name).is_some_and(|avd| avd.is_suffix && avd.is_private_link())
    }

    /// What kind of endpoint an AVD name belongs to as far as its labels tell; none where they do not.
    ///
    /// The services are those seen in public captures: brokers, diagnostics and gateways serve connections; the web
    /// front ends serve both feed and connections.
    pub fn kind_by_name(&self, name: NameRef<'_>) -> Option<Kind> {
        let avd = self.classify(name)?;
        if avd.spelling == Spelling::PrivateLinkGlobal {
            return Some(Kind::Global);
        }
        let starts = |label: &[u8], head: &[u8]| label.get(..head.len()).is_some_and(|own| own == head);
        let pool = [b"rdbroker".as_slice(), b"rddiagnostics", b"afdfp-rdgateway", b"rdgateway"];
        name.labels().any(|label| pool.iter().any(|head| starts(label, head))).then_some(Kind::HostPool)
    }
}

/// The GUID that a label spells as Azure does: 8-4-4-4-12 hexadecimal digits.
pub fn guid_of_label(label: &[u8]) -> Option<u128> {
    if label.len() != 36 {
        return None;
    }
    let mut guid = 0_u128;
    for (index, octet) in label.iter().enumerate() {
        if matches!(index, 8 | 13 | 18 | 23) {
            if *octet != b'-' {
                return None;
            }
        } else {
            guid = guid << 4 | u128::from(char::from(*octet).to_digit(16)?);
        }
    }
    Some(guid)
}

/// A GUID as Azure spells it.
pub fn guid_text(guid: u128) -> String {
    let hex = format!("{guid:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOL: &str = "fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f";

    fn name(text: &str) -> WireName {
        WireName::from_presentation(text).unwrap()
    }

    #[test]
    fn r13_a_name_has_two_spellings() {
        let clouds = Clouds::default();
        let pair =
            |text: &str, kind| clouds.pair(name(text).as_ref(), kind).map(|pair| pair.map(|name| name.to_string()));
        let broker =
            [format!("{POOL}.rdbroker.wvd.microsoft.com"), format!("{POOL}.rdbroker.privatelink.wvd.microsoft.com")];
        assert_eq!(pair(&broker[0], Kind::HostPool), Some(broker.clone()));
        assert_eq!(pair(&broker[1], Kind::HostPool), Some(broker));
        let web = ["rdweb.wvd.azure.us".to_owned(), "rdweb.privatelink-global.wvd.azure.us".to_owned()];
        assert_eq!(pair("rdweb.wvd.azure.us", Kind::Global), Some(web));
        assert_eq!(pair("rdweb.avd.example", Kind::Other), None);
        assert_eq!(pair("wvd.microsoft.com", Kind::Global), None);
        assert_eq!(pair("a.wvdselfhost.microsoft.com", Kind::Global), None);
    }

    #[test]
    fn a_cloud_of_a_short_suffix_is_found_too() {
        let mut clouds = Clouds::default();
        assert!(clouds.classify(name("x.ab").as_ref()).is_none());
        clouds.add(Cloud::new("short", "ab", false).unwrap());
        for (text, spelling) in
            [("ab", Spelling::Public), ("x.ab", Spelling::Public), ("x.privatelink.ab", Spelling::PrivateLink)]
        {
            assert_eq!(clouds.classify(name(text).as_ref()).map(|avd| avd.spelling), Some(spelling), "{text}");
        }
        assert!(clouds.classify(name("x.cab").as_ref()).is_none());
    }

    #[test]
    fn guid_labels_are_read_and_shown() {
        let guid = guid_of_label(POOL.as_bytes()).unwrap();
        assert_eq!(guid_text(guid), POOL);
        assert_eq!(guid_of_label(b"fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9g"), None);
        assert_eq!(guid_of_label(b"fbc91b00xe6a4-4b2c-a7d8-68c7a740fe9f"), None);
        let clouds = Clouds::default();
        let avd = clouds.classify(name(&format!("{POOL}.rdweb.privatelink.wvd.azure.cn")).as_ref()).map(|avd| avd.guid);
        assert_eq!(avd, Some(Some(guid)));
    }

    #[test]
    fn kinds_are_told_by_service_labels() {
        let clouds = Clouds::default();
        let kind = |text: &str| clouds.kind_by_name(name(text).as_ref());
        assert_eq!(kind("rdweb.privatelink-global.wvd.microsoft.com"), Some(Kind::Global));
        assert_eq!(kind(&format!("{POOL}.rdbroker-g-us-r0.privatelink.wvd.microsoft.com")), Some(Kind::HostPool));
        assert_eq!(kind(&format!("{POOL}.privatelink.wvd.microsoft.com")), None);
    }
}
