//! Which socket addresses a plugin's connection may go to.
//!
//! The check is on the address that is connected to, whatever name led there: a granted name whose DNS
//! entry says 169.254.169.254 must not hand out the node's credentials. An IPv6 address that carries an
//! IPv4 one (mapped, compatible, NAT64, 6to4) is checked as both.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

use crate::api_server::ApiServer;
use crate::grant::PrivateAddresses;

/// The address part of a plugin's policy.
#[derive(Debug)]
pub(super) struct AddressRules {
    ranges: Vec<IpNet>,
    vpc: bool,
    api_server: ApiServer,
}

/// How the destination came to be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// By a granted host name.
    ByName,
    /// By the name of a granted AWS service's endpoint.
    AsAwsEndpoint,
    /// By an address literal in the request.
    ByLiteral,
    /// By the operator's environment, as a proxy.
    AsProxy,
    /// By the operator's environment, as the endpoint of a service.
    AsOverride,
}

enum Class {
    Public,
    /// What VPC endpoints resolve to.
    Vpc(&'static str),
    /// Needs a range.
    Special(&'static str),
    /// Needs a range that holds nothing else.
    Metadata,
    Never(&'static str),
}

impl AddressRules {
    pub(super) fn new(private: &PrivateAddresses, api_server: &ApiServer) -> Self {
        let (ranges, vpc) = match private {
            PrivateAddresses::None => (Vec::new(), false),
            PrivateAddresses::AwsVpc => (Vec::new(), true),
            PrivateAddresses::Cidrs(ranges) => (ranges.clone(), false),
        };
        Self {
            ranges,
            vpc,
            api_server: api_server.clone(),
        }
    }

    /// Passes, or says what the address is, e.g. `a loopback address`.
    pub(super) fn check(&self, address: SocketAddr, named: Named) -> Result<(), &'static str> {
        if named == Named::AsOverride {
            return Ok(());
        }
        let outer = address.ip().to_canonical();
        if named == Named::ByLiteral && !self.in_range(outer) {
            return Err(match classify(outer) {
                Class::Public => "written as an address and not as a name",
                class => class.what(),
            });
        }
        let inner = match outer {
            IpAddr::V6(v6) => carried(v6).map(IpAddr::V4),
            IpAddr::V4(_) => None,
        };
        [Some(outer), inner]
            .into_iter()
            .flatten()
            .try_for_each(|ip| self.check_one(SocketAddr::new(ip, address.port()), named))
    }

    fn check_one(&self, address: SocketAddr, named: Named) -> Result<(), &'static str> {
        if self.api_server.has(address) {
            return Err("the Kubernetes API server");
        }
        let ip = address.ip();
        let class = classify(ip);
        let passes = match class {
            Class::Public => true,
            Class::Vpc(_) => {
                named == Named::AsProxy || (self.vpc && named == Named::AsAwsEndpoint) || self.in_range(ip)
            }
            Class::Special(_) => named == Named::AsProxy || self.in_range(ip),
            Class::Metadata => self.ranges.contains(&IpNet::from(ip)),
            Class::Never(_) => false,
        };
        if passes { Ok(()) } else { Err(class.what()) }
    }

    fn in_range(&self, ip: IpAddr) -> bool {
        self.ranges.iter().any(|range| range.contains(&ip))
    }
}

impl Class {
    fn what(&self) -> &'static str {
        match self {
            Self::Public => "a public address",
            Self::Vpc(what) | Self::Special(what) | Self::Never(what) => what,
            Self::Metadata => "an instance metadata address",
        }
    }
}

fn classify(ip: IpAddr) -> Class {
    match ip {
        IpAddr::V4(ip) => classify_v4(ip),
        IpAddr::V6(ip) => classify_v6(ip),
    }
}

/// Instance metadata and the credential endpoints of container platforms: AWS (169.254.169.254, ECS
/// 169.254.170.2, EKS Pod Identity 169.254.170.23), Azure (168.63.129.16), Alibaba, Oracle.
const METADATA_V4: [Ipv4Addr; 6] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// AWS instance metadata, EKS Pod Identity, Google Cloud.
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// IANA's special-purpose registry for IPv4.
fn classify_v4(ip: Ipv4Addr) -> Class {
    if METADATA_V4.contains(&ip) {
        return Class::Metadata;
    }
    match ip.octets() {
        [0, ..] => Class::Never("an unspecified address"),
        [127, ..] => Class::Special("a loopback address"),
        [169, 254, ..] => Class::Special("a link-local address"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Class::Vpc("a private address"),
        [100, 64..=127, ..] => Class::Vpc("a shared address (100.64.0.0/10)"),
        [224..=239, ..] => Class::Never("a multicast address"),
        [255, 255, 255, 255] => Class::Never("the broadcast address"),
        [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [240..=255, ..] => Class::Special("a reserved address"),
        _ => Class::Public,
    }
}

/// IANA's special-purpose registry for IPv6; whatever is outside 2000::/3 and not named is reserved.
fn classify_v6(ip: Ipv6Addr) -> Class {
    if METADATA_V6.contains(&ip) {
        return Class::Metadata;
    }
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Class::Never("an unspecified address"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Class::Special("a loopback address"),
        [0xff00..=0xffff, ..] => Class::Never("a multicast address"),
        [0xfe80..=0xfebf, ..] => Class::Special("a link-local address"),
        [0xfc00..=0xfdff, ..] => Class::Vpc("a unique-local address"),
        [0x2001, 0xdb8, ..] | [0x2001, 0..=0x1ff, ..] | [0x3fff, 0..=0xfff, ..] => Class::Special("a reserved address"),
        // NAT64 and IPv4-compatible: what counts is the address that they carry.
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] | [0, 0, 0, 0, 0, 0, _, _] | [0x2000..=0x3fff, ..] => Class::Public,
        _ => Class::Special("a reserved address"),
    }
}

/// The IPv4 address in an IPv4-compatible (`::a.b.c.d`), NAT64 (`64:ff9b::a.b.c.d`, RFC 6052) or 6to4
/// (`2002:aabb:ccdd::`, RFC 3056) address. Mapped ones are canonical IPv4 by then.
fn carried(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            Some(v4(high, low))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(ranges: &[&str]) -> AddressRules {
        let ranges = ranges.iter().map(|range| range.parse().unwrap()).collect();
        let api_server = ApiServer::default();
        api_server.is_at(["10.96.0.1:443".parse().unwrap()]);
        AddressRules::new(&PrivateAddresses::Cidrs(ranges), &api_server)
    }

    fn check(rules: &AddressRules, ip: &str, named: Named) -> Result<(), &'static str> {
        rules.check(SocketAddr::new(ip.parse().unwrap(), 443), named)
    }

    /// Each is prohibited as the target of a name, and is what the second text says.
    const PROHIBITED: [(&str, &str); 44] = [
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("10.1.2.3", "private"),
        ("100.64.0.1", "shared"),
        ("100.127.255.254", "shared"),
        ("100.100.100.200", "metadata"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("168.63.129.16", "metadata"),
        ("169.254.1.1", "link-local"),
        ("169.254.169.254", "metadata"),
        ("169.254.170.2", "metadata"),
        ("169.254.170.23", "metadata"),
        ("172.16.0.1", "private"),
        ("172.31.255.254", "private"),
        ("192.0.0.8", "reserved"),
        ("192.0.2.1", "reserved"),
        ("192.168.0.1", "private"),
        ("198.18.0.1", "reserved"),
        ("203.0.113.9", "reserved"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.255", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "broadcast"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::127.0.0.1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:a9fe:a9fe", "metadata"),
        ("::a9fe:a9fe", "metadata"),
        ("64:ff9b::127.0.0.1", "loopback"),
        ("64:ff9b::a9fe:a9fe", "metadata"),
        ("64:ff9b:1::1", "reserved"),
        ("2002:7f00:1::", "loopback"),
        ("2002:a9fe:a9fe::1", "metadata"),
        ("2001::1", "reserved"),
        ("2001:db8::1", "reserved"),
        ("fc00::1", "unique-local"),
        ("fd00:ec2::254", "metadata"),
        ("fd00:ec2::23", "metadata"),
        ("fe80::1", "link-local"),
        ("fec0::1", "reserved"),
        ("ff02::1", "multicast"),
        ("4000::1", "reserved"),
    ];

    const PUBLIC: [&str; 8] = [
        "1.1.1.1",
        "100.63.0.1",
        "172.32.0.1",
        "192.88.98.1",
        "52.95.4.3",
        "2600:1f18::1",
        "64:ff9b::101:101",
        "2002:101:101::1",
    ];

    #[test]
    fn a_name_leads_to_public_addresses_only() {
        let none = AddressRules::new(&PrivateAddresses::None, &ApiServer::default());
        for (ip, what) in PROHIBITED {
            let why = check(&none, ip, Named::ByName).expect_err(ip);
            assert!(why.contains(what), "{ip}: {why}");
        }
        for ip in PUBLIC {
            assert_eq!(check(&none, ip, Named::ByName), Ok(()), "{ip}");
        }
    }

    #[test]
    fn a_range_opens_what_it_names_and_nothing_that_hands_out_credentials() {
        let everything = rules(&["0.0.0.0/0", "::/0"]);
        for (ip, what) in PROHIBITED {
            let stays = ["metadata", "multicast", "unspecified", "broadcast"].contains(&what);
            assert_eq!(check(&everything, ip, Named::ByName).is_err(), stays, "{ip}");
        }
        let loopback = rules(&["127.0.0.0/8"]);
        assert_eq!(check(&loopback, "127.0.0.1", Named::ByName), Ok(()));
        assert_eq!(check(&loopback, "::ffff:127.0.0.1", Named::ByLiteral), Ok(()));
        assert!(check(&loopback, "10.0.0.1", Named::ByName).is_err());
        assert!(check(&loopback, "::1", Named::ByName).is_err());
    }

    #[test]
    fn metadata_needs_a_range_of_its_own() {
        assert_eq!(
            check(&rules(&["169.254.169.254/32"]), "169.254.169.254", Named::ByName),
            Ok(())
        );
        assert!(check(&rules(&["169.254.169.254/31"]), "169.254.169.254", Named::ByName).is_err());
        assert_eq!(
            check(&rules(&["fd00:ec2::254/128"]), "fd00:ec2::254", Named::ByName),
            Ok(())
        );
    }

    #[test]
    fn a_literal_needs_a_range_even_when_it_is_public() {
        let none = AddressRules::new(&PrivateAddresses::AwsVpc, &ApiServer::default());
        for ip in PUBLIC.into_iter().chain(PROHIBITED.map(|(ip, _)| ip)) {
            assert!(check(&none, ip, Named::ByLiteral).is_err(), "{ip}");
        }
        assert_eq!(check(&rules(&["52.95.0.0/16"]), "52.95.4.3", Named::ByLiteral), Ok(()));
        let translated = check(&rules(&["64:ff9b::/96"]), "64:ff9b::7f00:1", Named::ByLiteral);
        assert_eq!(translated, Err("a loopback address"));
    }

    #[test]
    fn the_vpc_rule_is_for_aws_endpoints_alone() {
        let vpc = AddressRules::new(&PrivateAddresses::AwsVpc, &ApiServer::default());
        for (ip, what) in PROHIBITED {
            let opened = ["private", "shared", "unique-local"].contains(&what);
            assert_eq!(check(&vpc, ip, Named::AsAwsEndpoint).is_ok(), opened, "{ip}");
            assert!(check(&vpc, ip, Named::ByName).is_err(), "{ip}");
        }
    }

    #[test]
    fn the_api_server_is_out_of_reach_whatever_is_granted() {
        let rules = rules(&["10.0.0.0/8", "10.96.0.1/32", "::ffff:10.96.0.1/128"]);
        for named in [Named::ByName, Named::ByLiteral, Named::AsAwsEndpoint, Named::AsProxy] {
            for ip in ["10.96.0.1", "::ffff:10.96.0.1"] {
                assert_eq!(check(&rules, ip, named), Err("the Kubernetes API server"), "{named:?}");
            }
        }
        assert_eq!(rules.check("10.96.0.1:8443".parse().unwrap(), Named::ByName), Ok(()));
        assert!(check(&rules, "64:ff9b::10.96.0.1", Named::ByName).is_err());
    }

    #[test]
    fn an_api_server_that_is_found_later_is_out_of_reach_from_then_on() {
        let api_server = ApiServer::default();
        let ranges = PrivateAddresses::Cidrs(vec!["10.0.0.0/8".parse().unwrap()]);
        let rules = AddressRules::new(&ranges, &api_server);
        assert_eq!(check(&rules, "10.96.0.1", Named::ByName), Ok(()));
        api_server.is_at(["[::ffff:10.96.0.1]:443".parse().unwrap()]);
        assert_eq!(
            check(&rules, "10.96.0.1", Named::ByName),
            Err("the Kubernetes API server")
        );
    }

    #[test]
    fn the_operators_own_destinations_may_be_private() {
        let none = AddressRules::new(&PrivateAddresses::None, &ApiServer::default());
        for ip in ["127.0.0.1", "10.0.0.1", "::1"] {
            assert_eq!(check(&none, ip, Named::AsProxy), Ok(()));
            assert_eq!(check(&none, ip, Named::AsOverride), Ok(()));
        }
        assert!(check(&none, "169.254.169.254", Named::AsProxy).is_err());
    }
}
