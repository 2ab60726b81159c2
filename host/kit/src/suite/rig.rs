//! A plugin under test, the server that answers it, and what both did in one call.

use std::net::IpAddr;
use std::sync::Arc;

use keyhole_core::request::JsonText;
use keyhole_core::{CallError, Outcome};
use keyhole_sandbox::{
    AwsGrant, Call, CallStats, CredentialWant, Description, Export, Grant, HeaderGrant, LoadError, PlannedRequest,
    Plugin, Ports, PrivateAddresses,
};
use url::{Host, Url};

use super::lines::Lines;
use crate::case::Case;
use crate::guest::Guest;
use crate::kit_error::KitError;
use crate::outside::{StandIns, Stats, ports};
use crate::recording::Exchange;
use crate::replay::{Heard, Stage};

/// What every check works with.
pub(super) struct Rig<'a> {
    pub(super) guest: &'a Guest,
    pub(super) stage: Stage,
    pub(super) description: Description,
    pub(super) lines: Lines,
    stats: Arc<Stats>,
}

/// What happened in one call.
pub(super) struct Play {
    pub(super) result: Result<Vec<Outcome>, CallError>,
    pub(super) heard: Vec<Heard>,
    pub(super) stats: CallStats,
}

impl Play {
    /// The first request that no recording answers.
    pub(super) fn unrecorded(&self) -> Option<&Heard> {
        self.heard.iter().find(|heard| !heard.answered)
    }
}

impl<'a> Rig<'a> {
    /// Loads the plugin once; `Err` when it does not load.
    pub(super) async fn new(guest: &'a Guest, lines: Lines) -> Result<Result<Self, LoadError>, KitError> {
        let stage = Stage::start().await?;
        let stats = Arc::new(Stats::default());
        let loaded = guest
            .load(Grant::default(), ports(stage.network(), Arc::clone(&stats) as _))
            .await;
        Ok(loaded.map(|plugin| Self {
            guest,
            description: plugin.description().clone(),
            stage,
            lines,
            stats,
        }))
    }

    /// The plugin, loaded anew: with empty sessions, and with this grant.
    pub(super) async fn plugin(&self, grant: Grant) -> Result<Plugin, KitError> {
        self.plugin_of(grant, &Case::default()).await
    }

    /// The same, handed the credentials of a case.
    pub(super) async fn plugin_of(&self, grant: Grant, case: &Case) -> Result<Plugin, KitError> {
        let ports = Ports {
            credentials: Arc::new(StandIns::new(case.credentials.clone())),
            ..ports(self.stage.network(), Arc::clone(&self.stats) as _)
        };
        Ok(self.guest.load(grant, ports).await?)
    }

    /// Exchanges that the calls of `describe` since the last time have asked for.
    pub(super) fn asked_while_described(&self) -> u32 {
        let of_describe =
            |(export, stats): (Export, CallStats)| (export == Export::Describe).then_some(stats.exchanges);
        self.stats.take().into_iter().filter_map(of_describe).sum()
    }

    /// All that the plugin wants, and the hosts that were recorded.
    pub(super) fn full_grant(&self, exchanges: &[Exchange]) -> Grant {
        let mut grant = self.grant_without_hosts();
        grant.hosts = self.description.hosts.clone();
        for exchange in exchanges {
            let Ok(url) = Url::parse(&exchange.request.url) else {
                continue;
            };
            let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
                continue;
            };
            let scheme = if url.scheme() == "http" { "http://" } else { "" };
            if let Ok(pattern) = format!("{scheme}{host}:{port}").parse()
                && !grant.hosts.contains(&pattern)
            {
                grant.hosts.push(pattern);
            }
            let address: Option<IpAddr> = match host {
                Host::Ipv4(address) => Some(address.into()),
                Host::Ipv6(address) => Some(address.into()),
                Host::Domain(_) => None,
            };
            if let (Some(address), PrivateAddresses::Cidrs(ranges)) = (address, &mut grant.private_addresses) {
                ranges.push(address.into());
            }
        }
        grant.aws = self.aws();
        grant
    }

    /// The credentials that it wants to see, and nothing that it could reach.
    pub(super) fn grant_without_hosts(&self) -> Grant {
        let mut grant = self.stage.admit(Grant::default());
        for want in &self.description.credentials {
            match want {
                CredentialWant::Exposed(name) => {
                    grant.exposed.insert(name.clone(), StandIns::place(name));
                }
                CredentialWant::ServiceAccountToken(audience) => grant.token = Some(audience.as_str().into()),
                CredentialWant::Header(name) => grant.headers.extend(name.parse().ok().map(|header| HeaderGrant {
                    name: header,
                    prefix: String::new(),
                    credential: StandIns::place(name),
                    hosts: Vec::new(),
                })),
                CredentialWant::Aws { .. } => {}
            }
        }
        grant
    }

    /// Whether the host signs for it.
    pub(super) fn speaks_aws(&self) -> bool {
        !self.aws().is_empty()
    }

    fn aws(&self) -> Vec<AwsGrant> {
        let service = |want: &CredentialWant| match want {
            CredentialWant::Aws { service, actions } => Some(AwsGrant {
                service: service.clone(),
                actions: actions.clone(),
            }),
            _ => None,
        };
        self.description.credentials.iter().filter_map(service).collect()
    }

    /// One call, on whatever the stage answers now.
    pub(super) async fn call(&self, plugin: &Plugin, case: &Case, requests: &[PlannedRequest]) -> Play {
        self.stage.rewind();
        self.stats.take();
        let call = Call {
            settings: JsonText::new(&case.settings),
            region: case
                .settings
                .get("region")
                .and_then(|region| region.as_str())
                .map(Into::into),
            attempt: 1,
            ..Call::default()
        };
        let result = plugin.fetch(&call, requests).await;
        let stats = self.stats.take().pop().map(|(_, stats)| stats).unwrap_or_default();
        Play {
            result,
            heard: self.stage.rewind(),
            stats,
        }
    }

    /// One call of a fresh plugin, answered from recordings.
    pub(super) async fn play(
        &self,
        case: &Case,
        exchanges: &[Exchange],
        requests: &[PlannedRequest],
    ) -> Result<Play, KitError> {
        let plugin = self.plugin_of(self.full_grant(exchanges), case).await?;
        self.stage.play(exchanges.to_vec());
        Ok(self.call(&plugin, case, requests).await)
    }
}
