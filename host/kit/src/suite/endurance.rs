//! What is left after many calls: nothing in memory, nothing in the log.

use keyhole_core::mask::HIDDEN;

use super::answers::usual;
use super::rig::Rig;
use super::{Material, Verdict};
use crate::kit_error::KitError;
use crate::words;

/// Calls in a row.
const CALLS: usize = 1000;
/// Calls after which a plugin has stored whatever it stores.
const SETTLED: usize = 10;

/// The same call again and again.
pub(super) async fn no_growth(rig: &Rig<'_>, material: &Material) -> Result<Verdict, KitError> {
    let Some((case, exchanges, asked)) = usual(material) else {
        return Ok(Verdict::skipped(
            "no case asks the store for one key; record one with `keyhole plugin run --key KEY --record tests/a-key`",
        ));
    };
    let plugin = rig.plugin_of(rig.full_grant(exchanges), case).await?;
    rig.stage.play(exchanges.to_vec());
    let request = [asked.planned()];
    let mut settled = 0;
    for number in 1..=CALLS {
        let play = rig.call(&plugin, case, &request).await;
        if let Err(error) = &play.result {
            return Ok(Verdict::failed(
                format!(
                    "call {number} of {CALLS} equal ones failed: {}",
                    words::call_error(error)
                ),
                "each call is a fresh instance; whatever the calls before left in the session store must not break it",
            ));
        }
        if let Some(heard) = play.unrecorded() {
            return Ok(Verdict::skipped(format!(
                "{} {} is not recorded; record a case of one key with `keyhole plugin run --key KEY --record tests/a-key`",
                heard.method,
                words::line(&heard.url)
            )));
        }
        if number == SETTLED {
            settled = plugin.session_entries();
        }
    }
    let (instances, bytes, entries) = (
        rig.guest.engine.live_instances(),
        rig.guest.engine.limiter_bytes(),
        plugin.session_entries(),
    );
    if instances > 0 || bytes > 0 {
        return Ok(Verdict::failed(
            format!("{instances} instances with {bytes} bytes live on after {CALLS} calls"),
            "this is a fault of the host; report it with the plugin",
        ));
    }
    if entries > settled {
        return Ok(Verdict::failed(
            format!("{SETTLED} equal calls left {settled} entries in its session store, and {CALLS} left {entries}"),
            "store each thing under one key that does not change from call to call; a scope holds 64 entries",
        ));
    }
    let kept = match entries {
        0 => String::new(),
        1 => ", 1 session entry".to_owned(),
        entries => format!(", {entries} session entries"),
    };
    Ok(Verdict::ok(format!("{CALLS} calls, no instance left{kept}")))
}

/// The host hides what a plugin says too much; a plugin should not say it.
pub(super) fn redaction(rig: &Rig<'_>, material: &Material) -> Verdict {
    if usual(material).is_none() {
        return Verdict::skipped("no case fetches a value");
    }
    let lines = rig.lines.all();
    match lines.iter().find(|line| line.contains(HIDDEN)) {
        Some(line) => Verdict::failed(
            format!(
                "it logs a value or credential, which the host had to hide: {:?}",
                words::line(line)
            ),
            "log names and numbers only; whoever runs the plugin elsewhere may not have a host that hides",
        ),
        None => Verdict::ok(match lines.len() {
            0 => "it logs nothing".to_owned(),
            1 => "1 log line, without a value".to_owned(),
            lines => format!("{lines} log lines, none with a value"),
        }),
    }
}
