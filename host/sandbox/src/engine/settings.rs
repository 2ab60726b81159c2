//! The settings of wasmtime, and why they are what they are.

use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::EngineConfig;
use crate::load_error::LoadError;

/// Unmapped bytes behind each memory. With 4 GiB reservations a guard replaces bounds checks; ours are
/// far smaller, so it only has to catch small offsets. 64 slots then take 4.2 GiB of address space in
/// place of 264 GiB, with no measurable slowdown.
const GUARD: u64 = 64 << 10;
/// Core instances of one component: its own modules and the adapters of its toolchain. The largest
/// seen is componentize-py with about 20.
const CORE_INSTANCES: u32 = 40;
/// Memories of one component in the pool. A component with more runs outside.
const MEMORIES: u32 = 2;
/// Tables of one component.
const TABLES: u32 = 40;
/// Entries of one table. componentize-py has 6,000, a debug build of C# 10,000.
const TABLE_ELEMENTS: usize = 20_000;
/// Bytes of a memory that are zeroed by hand when its slot is freed, in place of returning the pages
/// to the kernel and faulting them in again at the next call.
const KEEP_RESIDENT: usize = 256 << 10;

/// Everything that shapes the machine code, and with it the compatibility hash. Both engines share it.
pub(super) fn compiler(config: &EngineConfig) -> Result<Config, LoadError> {
    let mut wasmtime = Config::new();
    wasmtime
        .epoch_interruption(true)
        // The contract is WASI 0.2; component-model-async is attack surface and 20 % of a call.
        .concurrency_support(false)
        .memory_reservation(u64::try_from(config.slot_memory).unwrap_or(u64::MAX))
        .memory_guard_size(GUARD)
        // A memory that outgrows its reservation moves; it should not reserve gigabytes then.
        .memory_reservation_for_growth(16 << 20)
        .wasm_memory64(false);
    if let Some(target) = target() {
        wasmtime
            .target(target)
            .map_err(|error| LoadError::Engine(format!("{error:#}")))?;
        enable_baseline(&mut wasmtime);
    }
    Ok(wasmtime)
}

/// The same with instances from a pool.
pub(super) fn pooled(mut base: Config, slots: u32, slot_memory: usize) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(CORE_INSTANCES))
        .total_memories(slots.saturating_mul(MEMORIES))
        .total_tables(slots.saturating_mul(TABLES))
        .total_stacks(slots)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(slot_memory)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(64 << 10);
    base.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    base
}

/// Whether a pool would leave room for everything else. Where the address space is limited
/// (`ulimit -v`, some sandboxes), a pool may just fit and the next allocation fail.
pub(super) fn address_space_suffices(slots: u32, slot_memory: usize) -> bool {
    let limit = rustix::process::getrlimit(rustix::process::Resource::As).current;
    let slot = u64::try_from(slot_memory).unwrap_or(u64::MAX).saturating_add(2 * GUARD);
    let pool = slot
        .saturating_mul(u64::from(slots))
        .saturating_mul(u64::from(MEMORIES));
    limit.is_none_or(|limit| limit / 2 >= pool)
}

/// The target by name. Naming it turns off the detection of this machine's CPU features, so that a
/// file compiled where the image is built loads on every node.
const fn target() -> Option<&'static str> {
    if cfg!(all(target_arch = "x86_64", target_os = "linux", target_env = "musl")) {
        Some("x86_64-unknown-linux-musl")
    } else if cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        Some("x86_64-unknown-linux-gnu")
    } else if cfg!(all(target_arch = "aarch64", target_os = "linux", target_env = "musl")) {
        Some("aarch64-unknown-linux-musl")
    } else if cfg!(all(target_arch = "aarch64", target_os = "linux")) {
        Some("aarch64-unknown-linux-gnu")
    } else {
        None
    }
}

/// The baseline: x86-64-v2, what every server processor since 2009 has; plain ARMv8 on ARM. A machine
/// below it compiles for itself, with another compatibility hash.
fn enable_baseline(config: &mut Config) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        let v2 =
            has!("sse3") && has!("ssse3") && has!("sse4.1") && has!("sse4.2") && has!("popcnt") && has!("cmpxchg16b");
        if v2 {
            for flag in [
                "has_cmpxchg16b",
                "has_sse3",
                "has_ssse3",
                "has_sse41",
                "has_sse42",
                "has_popcnt",
            ] {
                // SAFETY: the flag says what was just detected.
                unsafe { config.cranelift_flag_enable(flag) };
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = config;
}
