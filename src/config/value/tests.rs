//! The values of the file, good and bad.

use super::*;

#[test]
fn durations_have_a_unit() {
    let ms = |text| duration(text).unwrap().as_millis();
    assert_eq!(ms("250ms"), 250);
    assert_eq!(ms("4.8s"), 4_800);
    assert_eq!(ms("5m"), 300_000);
    assert_eq!(ms("1d"), 86_400_000);
    assert_eq!(ms("0s"), 0);
    for text in ["", "5", "s", "5 s", "-5s", "1.s", ".5s", "5S", "1.2.3s", "99999999999999d", "5ß"] {
        assert!(duration(text).is_err(), "{text:?}");
    }
}

#[test]
fn durations_and_sizes_are_written_as_they_are_read() {
    for text in ["250ms", "5s", "5m", "1h", "1d", "4.8s", "0s"] {
        assert_eq!(duration_text(duration(text).unwrap()), text);
    }
    for text in ["256MiB", "64KiB", "2GiB", "0"] {
        assert_eq!(size_text(size_octets(text).unwrap()), text);
    }
}

#[test]
fn sizes_are_binary() {
    assert_eq!(size_octets("256MiB").unwrap(), 256 << 20);
    for text in ["", "1", "256MB", "MiB", "1.5GiB", "-1MiB", "99999999999999999GiB"] {
        assert!(size_octets(text).is_err(), "{text:?}");
    }
}

#[test]
fn host_bits_are_a_finding_that_names_the_masked_prefix() {
    // D-06b
    let fault = prefix("10.1.2.3/7").unwrap_err();
    assert_eq!(fault.row.code, codes::HOST_BITS.code);
    assert!(fault.hint.unwrap().contains("\"10.0.0.0/7\""));
    assert_eq!(prefix("10.0.0.0/7").unwrap().to_string(), "10.0.0.0/7");
    assert_eq!(prefix("0.0.0.0/0").unwrap().to_string(), "0.0.0.0/0");
    assert_eq!(prefix("10.0.0.4").unwrap().to_string(), "10.0.0.4/32");
    assert_eq!(prefix("::ffff:10.0.0.0/104").unwrap().to_string(), "10.0.0.0/8");
    for text in ["10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "/8", "fd00::/129", "x/8", "10.0.0.0/+8"] {
        assert!(prefix(text).is_err(), "{text:?}");
    }
}

#[test]
fn socket_addresses_take_a_default_port() {
    assert_eq!(socket_address("10.0.0.4", 53).unwrap().to_string(), "10.0.0.4:53");
    assert_eq!(socket_address("[::1]:5300", 53).unwrap().to_string(), "[::1]:5300");
    assert_eq!(socket_address("::1", 53).unwrap().to_string(), "[::1]:53");
    assert_eq!(socket_address("[::1]", 53).unwrap().to_string(), "[::1]:53");
    assert_eq!(listener("10.0.0.4").unwrap().port, None);
    assert_eq!(listener("10.0.0.4:5300").unwrap().port, Some(5300));
    for text in ["", "localhost:53", "10.0.0.4:", "10.0.0.4:0", "10.0.0.4:70000", "[10.0.0.4]"] {
        assert!(socket_address(text, 53).is_err(), "{text:?}");
    }
}

#[test]
fn servers_have_four_forms() {
    for (text, canonical) in [
        ("10.1.0.4", "10.1.0.4:53"),
        ("10.1.0.4:5301", "10.1.0.4:5301"),
        ("fd00::4", "[fd00::4]:53"),
        ("tls://9.9.9.9#dns.example", "tls://9.9.9.9:853#dns.example"),
        ("https://dns.example/dns-query#9.9.9.9", "https://dns.example:443/dns-query#9.9.9.9"),
        ("quic://[fd00::4]:8853#dns.example", "quic://[fd00::4]:8853#dns.example"),
    ] {
        assert_eq!(server(text).unwrap().to_string(), canonical);
        assert_eq!(server(canonical).unwrap(), server(text).unwrap());
    }
    for text in [
        "",
        "dns.example",
        "tls://9.9.9.9",
        "tls://#x",
        "tls://dns.example#9.9.9.9",
        "udp://9.9.9.9",
        "https://dns.example#9.9.9.9",
        "https://dns.example/q#",
        "https:///q#9.9.9.9",
        "9.9.9.9:0",
        "https://dns.example:x/q#9.9.9.9",
    ] {
        assert!(server(text).is_err(), "{text:?}");
    }
}

#[test]
fn guids_and_labels_are_checked() {
    assert_eq!(guid("34C6DE84-0b0c-42ba-9a48-e164ed43a9ef").unwrap(), "34c6de84-0b0c-42ba-9a48-e164ed43a9ef");
    assert!(guid("34c6de84").is_err());
    assert!(label("hp-weu_1.a").is_ok());
    assert!(label("hp*").is_err());
    assert!(label("").is_err());
}
