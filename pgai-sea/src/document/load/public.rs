//! Which addresses of the network are everybody's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether a host at this address may be asked. `private` allows networks that are private, and this machine. The
/// link's own addresses, where clouds serve credentials, are never allowed.
pub(super) fn may_be_asked(address: IpAddr, private: bool) -> bool {
    match embedded(address) {
        IpAddr::V4(v4) => !v4.is_link_local() && (private || is_public_v4(v4)),
        IpAddr::V6(v6) => !is_link_v6(v6) && (private || is_public_v6(v6)),
    }
}

/// An address of IPv4 that is written as one of IPv6: mapped, translated (NAT64), or tunnelled (6to4).
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let parts = v6.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match parts {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            v4(high, low)
        }
        _ => address,
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 198 && (b == 18 || b == 19))
        || (a == 192 && b == 0 && c == 0))
}

/// The link's own, and the one at which a cloud serves credentials.
fn is_link_v6(address: Ipv6Addr) -> bool {
    address.is_unicast_link_local() || address.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]
}

/// Of the block that is given out, without what is in it for examples and for tunnels.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    (0x2000..0x4000).contains(&a) && !(a == 0x2001 && (b == 0 || b == 0xdb8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_networks_are_refused_unless_told_and_the_link_always() {
        for (address, public, private) in [
            ("93.184.216.34", true, true),
            ("2606:4700::1", true, true),
            ("127.0.0.1", false, true),
            ("10.1.2.3", false, true),
            ("172.31.0.1", false, true),
            ("192.168.0.1", false, true),
            ("100.64.0.1", false, true),
            ("0.0.0.0", false, true),
            ("224.0.0.1", false, true),
            ("255.255.255.255", false, true),
            ("::1", false, true),
            ("::", false, true),
            ("fd00::1", false, true),
            ("::ffff:10.0.0.1", false, true),
            ("64:ff9b::7f00:1", false, true),
            ("2002:7f00:1::", false, true),
            ("2001:db8::1", false, true),
            ("169.254.169.254", false, false),
            ("::ffff:169.254.169.254", false, false),
            ("fe80::1", false, false),
            ("fd00:ec2::254", false, false),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(may_be_asked(address, false), public, "{address}");
            assert_eq!(may_be_asked(address, true), private, "{address}");
        }
    }
}
