//! What one loaded plugin may reach, decided without waiting for anything.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::uri::PathAndQuery;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioTimer;
use keyhole_core::EgressError;
use keyhole_core::host_pattern::HostPattern;
use keyhole_core::limits::Limits;
use tokio_util::sync::{CancellationToken, DropGuard};
use wasmtime_wasi_http::WasiBody;

use super::address::{AddressRules, Named};
use super::connect::{Connector, Tasks};
use super::destination::{Destination, Host};
use super::endpoints::EndpointOverrides;
use super::network::Timeouts;
use super::tap::Tap;
use super::{aws, headers, request, sign};
use crate::grant::{AwsGrant, Grant, HeaderGrant};
use crate::ports::Ports;

pub(super) type HttpClient = Client<Connector, WasiBody>;

/// The way out of one loaded plugin, with its connections.
pub struct Policy {
    hosts: Vec<HostPattern>,
    aws: Arc<[AwsGrant]>,
    headers: Vec<Arc<HeaderGrant>>,
    rules: Arc<AddressRules>,
    endpoints: EndpointOverrides,
    limits: Limits,
    timeouts: Timeouts,
    tap: Option<Arc<dyn Tap>>,
    client: HttpClient,
    /// Connections to the operator's overrides. They may lead to addresses that no name may, so they
    /// must not serve a request that found the same host by name.
    override_client: HttpClient,
    /// Ends the connections' tasks with the policy.
    _connections: DropGuard,
}

/// Why a grant cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// The CA bundle does not parse.
    #[error("caBundle holds no usable PEM certificates: {0}")]
    CaBundle(String),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// A header cannot be set by the host.
    #[error("header {0}: {1}")]
    Header(String, &'static str),
    /// An override leads nowhere.
    #[error("the endpoint override for {0} has no host")]
    Endpoint(String),
}

/// Where a request is to go, once it may.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) destination: Destination,
    pub(super) path: PathAndQuery,
    pub(super) overridden: bool,
    pub(super) signing: Option<sign::Scope>,
    /// What the host sets; nothing where it signs.
    pub(super) headers: Vec<Arc<HeaderGrant>>,
}

impl Policy {
    /// The policy of a grant.
    ///
    /// # Errors
    ///
    /// When the grant's CA bundle or one of its headers cannot be used.
    pub fn new(grant: &Grant, ports: &Ports) -> Result<Self, GrantError> {
        for service in &grant.aws {
            let endpoint = ports.endpoints.get(&service.service);
            if endpoint.is_some_and(|url| Destination::of_endpoint(url).is_none()) {
                return Err(GrantError::Endpoint(service.service.clone()));
            }
        }
        headers::check_grants(&grant.headers)?;
        let rules = Arc::new(AddressRules::new(&grant.private_addresses, &ports.api_server));
        let aws: Arc<[AwsGrant]> = grant.aws.as_slice().into();
        let network = &ports.network;
        let connector = Connector::new(network, &grant.ca_bundle, Arc::clone(&rules), Arc::clone(&aws))?;
        let closing = CancellationToken::new();
        Ok(Self {
            hosts: grant.hosts.clone(),
            aws,
            headers: grant.headers.iter().cloned().map(Arc::new).collect(),
            rules,
            endpoints: ports.endpoints.clone(),
            limits: grant.limits.clone(),
            timeouts: network.timeouts,
            tap: network.tap.clone(),
            client: client(connector.clone(), &closing),
            override_client: client(connector.for_overrides(), &closing),
            _connections: closing.drop_guard(),
        })
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    pub(crate) fn tap(&self) -> Option<&Arc<dyn Tap>> {
        self.tap.as_ref()
    }

    pub(super) fn client(&self, route: &Route) -> &HttpClient {
        if route.overridden {
            &self.override_client
        } else {
            &self.client
        }
    }

    /// Whether and where this request may go, when the call's region is `region`.
    pub(super) fn route(&self, head: &Parts, region: Option<&Arc<str>>) -> Result<Route, EgressError> {
        request::check(head)?;
        let asked = Destination::of(&head.uri)?;
        let path = head
            .uri
            .path_and_query()
            .cloned()
            .unwrap_or_else(|| PathAndQuery::from_static("/"));
        match asked.host() {
            Host::Address(address) => {
                let address = SocketAddr::new(*address, asked.port());
                self.rules
                    .check(address, Named::ByLiteral)
                    .map_err(|why| EgressError::AddressProhibited {
                        host: asked.to_string(),
                        address: address.ip(),
                        why,
                    })?;
            }
            Host::Name(name) => {
                if let Some(endpoint) = aws::endpoint(name, &self.aws) {
                    return self.aws_route(head, &asked, path, endpoint, region);
                }
            }
        }
        self.check_host(&asked)?;
        let headers = headers::of(&self.headers, &asked);
        headers::check(head, &headers, &asked)?;
        if !self.aws.is_empty() && sign::carries_credentials(head) {
            return Err(EgressError::ForeignSignature {
                host: asked.to_string(),
            });
        }
        Ok(Route {
            destination: asked,
            path,
            overridden: false,
            signing: None,
            headers,
        })
    }

    fn check_host(&self, asked: &Destination) -> Result<(), EgressError> {
        let host = asked.host().to_string();
        if self
            .hosts
            .iter()
            .any(|pattern| pattern.matches(asked.scheme(), &host, asked.port()))
        {
            return Ok(());
        }
        let by_other_scheme =
            |pattern: &HostPattern| pattern.scheme().as_str() != asked.scheme() && pattern.matches_name(&host);
        Err(if self.hosts.iter().any(by_other_scheme) {
            scheme_not_granted(asked)
        } else {
            host_not_granted(asked)
        })
    }

    fn aws_route(
        &self,
        head: &Parts,
        asked: &Destination,
        path: PathAndQuery,
        endpoint: aws::Endpoint<'_>,
        region: Option<&Arc<str>>,
    ) -> Result<Route, EgressError> {
        if !asked.is_tls() {
            return Err(scheme_not_granted(asked));
        }
        if asked.port() != 443 {
            return Err(host_not_granted(asked));
        }
        let region = region
            .filter(|region| ***region == *endpoint.region)
            .ok_or_else(|| EgressError::WrongRegion {
                host: asked.to_string(),
                region: region.map_or("none", |region| region).to_owned(),
            })?;
        sign::check(head, endpoint.grant, asked)?;
        let scope = sign::Scope {
            service: endpoint.grant.service.clone(),
            region: Arc::clone(region),
        };
        match self.endpoints.get(&scope.service) {
            None => Ok(Route {
                destination: asked.clone(),
                path,
                overridden: false,
                signing: Some(scope),
                headers: Vec::new(),
            }),
            Some(url) => {
                // `Policy::new` saw that it has a host; the guest's own path is `/`, as `sign::check` saw.
                let destination = Destination::of_endpoint(url).ok_or_else(|| host_not_granted(asked))?;
                let path = PathAndQuery::try_from(url.path()).map_err(|_| host_not_granted(asked))?;
                Ok(Route {
                    destination,
                    path,
                    overridden: true,
                    signing: Some(scope),
                    headers: Vec::new(),
                })
            }
        }
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("hosts", &self.hosts)
            .field("aws", &self.aws)
            .finish_non_exhaustive()
    }
}

fn host_not_granted(asked: &Destination) -> EgressError {
    EgressError::HostNotGranted {
        host: asked.to_string(),
    }
}

fn scheme_not_granted(asked: &Destination) -> EgressError {
    EgressError::SchemeNotGranted {
        scheme: asked.scheme().to_owned(),
        host: asked.to_string(),
    }
}

/// Streams of one HTTP/2 connection share its window. A guest that leaves answers unread must not stop
/// the others, so the connection's window holds a full stream window for each of 256 streams: 16 calls of
/// a plugin with 16 exchanges in flight.
const STREAM_WINDOW: u32 = 64 << 10;
const CONNECTION_WINDOW: u32 = 256 * STREAM_WINDOW;

fn client(connector: Connector, closing: &CancellationToken) -> HttpClient {
    Client::builder(Tasks::new(closing.clone()))
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        // 4 idle connections per host made half of all exchanges open a new one, 32 made one in a hundred.
        .pool_max_idle_per_host(32)
        .pool_idle_timeout(Duration::from_secs(30))
        .http1_max_buf_size(256 << 10)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .http2_max_header_list_size(64 << 10)
        // A connection that died silently would otherwise take every exchange with it for minutes.
        .http2_keep_alive_interval(Duration::from_secs(5))
        .http2_keep_alive_timeout(Duration::from_secs(5))
        .build(connector)
}
