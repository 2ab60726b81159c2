//! What one instance is given: an empty WASI context, the network that its call may use, and the
//! counters of its limits. Lives as long as the instance and no longer.

use http::uri::Scheme;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error as HttpError, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use crate::cpu::CpuMeter;
use crate::credentials::CallSecrets;
use crate::egress::{CallEgress, WRITES_QUEUED, WRITTEN_AT_ONCE};
use crate::gauges::Living;
use crate::memory::Memory;
use crate::output::{Level, Output, Pipe};

/// Handles (requests, bodies, streams, timers) that a guest may hold at once. Each may tie up some
/// memory of the host, so together they must stay small. The largest is a request: [`FIELDS`] of headers and
/// of trailers, a path of 64 KiB, and what waits to be sent of its body, 144 KiB in all.
const HANDLES: usize = 1024;
/// Bytes of the headers of one request or response.
const FIELDS: usize = 32 << 10;
/// Random bytes that a guest may ask for at once; the host makes them in one piece.
const RANDOM: u64 = 64 << 10;

/// The data of a store.
pub(crate) struct State {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
    network: Network,
    pub(crate) memory: Memory,
    pub(crate) meter: CpuMeter,
    pub(crate) output: Output,
    stdout: Pipe,
    stderr: Pipe,
    pub(crate) secrets: CallSecrets,
    _living: Living,
}

/// The network that a call may use.
pub(crate) enum Network {
    /// None: `describe` and `validate` have no business there.
    Closed(NoNetwork),
    /// What the grant allows.
    Open(CallEgress),
}

impl State {
    pub(crate) fn new(
        network: Network,
        memory: Memory,
        meter: CpuMeter,
        output: Output,
        secrets: CallSecrets,
        living: Living,
    ) -> Self {
        let stdout = Pipe::new(&output, Level::Info);
        let stderr = Pipe::new(&output, Level::Warn);
        // Everything that is not named here is absent: no environment, arguments, files, input.
        let wasi = WasiCtxBuilder::new()
            .stdout(stdout.clone())
            .stderr(stderr.clone())
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(RANDOM)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(FIELDS);
        Self {
            wasi,
            http,
            table,
            network,
            memory,
            meter,
            output,
            stdout,
            stderr,
            secrets,
            _living: living,
        }
    }

    /// Ends last lines that have no line break.
    pub(crate) fn finish_output(&self) {
        self.stdout.finish();
        self.stderr.finish();
    }

    /// Exchanges that were asked of a network that is none.
    pub(crate) fn asked_in_vain(&self) -> u32 {
        match &self.network {
            Network::Closed(closed) => closed.asked,
            Network::Open(_) => 0,
        }
    }

    pub(crate) fn egress(&self) -> Option<&CallEgress> {
        match &self.network {
            Network::Closed(_) => None,
            Network::Open(egress) => Some(egress),
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let hooks: &mut dyn WasiHttpHooks = match &mut self.network {
            Network::Closed(closed) => closed,
            Network::Open(egress) => egress,
        };
        WasiHttpCtxView {
            hooks,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

/// Refuses every exchange.
#[derive(Default)]
pub(crate) struct NoNetwork {
    asked: u32,
}

type Done = Box<dyn Future<Output = Result<(), HttpError>> + Send>;
type Exchange = Box<dyn Future<Output = Result<(http::Response<WasiBody>, Done), HttpError>> + Send>;

impl WasiHttpHooks for NoNetwork {
    fn is_supported_scheme(&mut self, _scheme: &Scheme) -> bool {
        self.asked = self.asked.saturating_add(1);
        false
    }

    /// A request can be made and written to without a network.
    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        WRITTEN_AT_ONCE
    }

    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        WRITES_QUEUED
    }

    fn send_request(
        &mut self,
        _request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _done: Done,
    ) -> Exchange {
        Box::new(async { Err(HttpError::HttpRequestDenied) })
    }
}
