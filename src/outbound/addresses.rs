//! Which addresses of the network the service may talk to when somebody else names them: public ones, and no way around.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network of IPv4: its first address, and how many of its bits count.
type Network4 = ([u8; 4], u32);

/// IPv4 that is not the public network (IANA's registry of special-purpose addresses), and multicast.
const CLOSED_V4: [Network4; 15] = [
    // "This" network, and the unspecified address.
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    // Between a provider and its customers (CGNAT).
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    // Link-local, where clouds keep their metadata.
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    // Relays of 6to4.
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    // Reserved, and the broadcast address.
    ([240, 0, 0, 0], 4),
];

/// A network of IPv6: its first two groups, and how many of its bits count.
type Network6 = ([u16; 2], u32);

/// What is not the public network within 2000::/3, outside of which nothing is.
const CLOSED_V6: [Network6; 4] = [
    // Protocols, among them Teredo, benchmarks and ORCHID.
    ([0x2001, 0x0000], 23),
    ([0x2001, 0x0db8], 32),
    // 6to4, in which any IPv4 address can hide.
    ([0x2002, 0x0000], 16),
    ([0x3fff, 0x0000], 20),
];

/// Whether an address belongs to the public network. One of IPv6 that stands for one of IPv4 is taken for that.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(inner) => is_public_v4(inner),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    let within = |(first, length): &Network4| (bits ^ Ipv4Addr::from(*first).to_bits()) >> (32 - length) == 0;
    !CLOSED_V4.iter().any(within)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let bits = u32::from(first) << 16 | u32::from(second);
    let within = |([first, second], length): &Network6| (bits ^ (u32::from(*first) << 16 | u32::from(*second))) >> (32 - length) == 0;
    first & 0xe000 == 0x2000 && !CLOSED_V6.iter().any(within)
}

/// The IPv4 address within one that is mapped (`::ffff:0:0/96`) or translated by NAT64 (`64:ff9b::/96`).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_public_network_is_public() {
        // Among them IPv4 in every disguise: mapped, compatible, translated, 6to4.
        let closed = "
            0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1 127.255.255.254
            169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.8 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255
            198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 ::2 ::ffff:127.0.0.1 ::ffff:10.0.0.1
            ::ffff:169.254.169.254 ::ffff:0.0.0.0 ::127.0.0.1 ::8.8.8.8 ::ffff:0:7f00:1 64:ff9b::127.0.0.1 64:ff9b::10.1.1.1
            64:ff9b::c0a8:101 64:ff9b:1::1 64:ff9b:1::8.8.8.8 64:ff9b:0:1::808:808 100::1 2001::1 2001:2::1 2001:10::1 2001:1ff::1
            2001:db8::1 2002:7f00:1:: 2002:808:808::1 3fff::1 3fff:fff::1 4000::1 5f00::1 fc00::1 fd12:3456::1 fe80::1 fec0::1
            ff02::1";
        for text in closed.split_whitespace() {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        let open = "
            1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 172.15.255.255 172.32.0.0
            192.0.1.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255 ::ffff:8.8.8.8 64:ff9b::8.8.8.8
            2001:200::1 2001:4860:4860::8888 2400:3200::1 2606:4700::1111 3ffe:ffff::1 3fff:1000::1";
        for text in open.split_whitespace() {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }
}
