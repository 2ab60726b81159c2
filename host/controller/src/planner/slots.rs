//! How many calls run at once, and whose they are.
//!
//! Slots are global, with a share per plugin and, within it, per group. The last quarter of each is kept
//! for those who have no call at all, so that neither a busy plugin nor a group whose backend hangs
//! can shut out the others. Groups whose backend lately failed or is slow (*suspects*) together
//! get at most half of their plugin's share, and one call each while it fails.

use std::collections::HashMap;

use keyhole_core::PluginId;

/// Who wants a slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Applicant<'a> {
    pub(super) plugin: &'a PluginId,
    /// Calls that the plugin may have at once.
    pub(super) share: usize,
    /// Calls that its group has now.
    pub(super) running: usize,
    /// The group's last call found its backend out of reach or out of order.
    pub(super) failing: bool,
    /// The group has a call that has been running for long.
    pub(super) slow: bool,
    /// Calls of all suspect groups of the plugin.
    pub(super) suspects: usize,
}

/// The calls that run.
#[derive(Debug)]
pub(super) struct Slots {
    limit: usize,
    running: usize,
    plugins: HashMap<PluginId, usize>,
}

impl Slots {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            running: 0,
            plugins: HashMap::new(),
        }
    }

    /// Whether nobody can get a slot.
    pub(super) fn are_taken(&self) -> bool {
        self.running >= self.limit
    }

    pub(super) fn running(&self) -> usize {
        self.running
    }

    pub(super) fn admits(&self, applicant: &Applicant<'_>) -> bool {
        let of_plugin = self.plugins.get(applicant.plugin).copied().unwrap_or(0);
        let share = applicant.share.max(1);
        let suspect = applicant.failing || applicant.slow;
        has_room(self.running, self.limit, of_plugin)
            && has_room(of_plugin, share, applicant.running)
            && !(applicant.failing && applicant.running > 0)
            && !(suspect && applicant.suspects >= (share / 2).max(1))
    }

    pub(super) fn started(&mut self, plugin: &PluginId) {
        self.running += 1;
        *self.plugins.entry(plugin.clone()).or_default() += 1;
    }

    pub(super) fn ended(&mut self, plugin: &PluginId) {
        self.running = self.running.saturating_sub(1);
        if let Some(count) = self.plugins.get_mut(plugin) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.plugins.remove(plugin);
            }
        }
    }
}

/// Whether one more may run where `running` of `limit` do, `own` of them the applicant's.
fn has_room(running: usize, limit: usize, own: usize) -> bool {
    running < if own == 0 { limit } else { limit - limit / 4 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugin(name: &str) -> PluginId {
        PluginId {
            name: name.into(),
            digest: "sha256:0".into(),
        }
    }

    fn applicant(plugin: &PluginId, running: usize) -> Applicant<'_> {
        Applicant {
            plugin,
            share: 16,
            running,
            failing: false,
            slow: false,
            suspects: 0,
        }
    }

    /// Starts calls for the applicant until it gets no more; how many it got.
    fn take_all(slots: &mut Slots, plugin: &PluginId) -> usize {
        let mut running = 0;
        while slots.admits(&applicant(plugin, running)) {
            slots.started(plugin);
            running += 1;
        }
        running
    }

    #[test]
    fn a_group_that_takes_all_it_gets_leaves_room_for_other_groups() {
        let (mut slots, a) = (Slots::new(32), plugin("a"));
        assert_eq!(take_all(&mut slots, &a), 12);
        assert!(slots.admits(&applicant(&a, 0)));
    }

    #[test]
    fn plugins_that_take_all_they_get_leave_room_for_another() {
        let mut slots = Slots::new(32);
        let greedy: Vec<_> = ["a", "b", "c", "d"].into_iter().map(plugin).collect();
        for plugin in &greedy {
            take_all(&mut slots, plugin);
        }
        assert!(slots.admits(&applicant(&plugin("z"), 0)));
    }

    #[test]
    fn one_slot_is_enough_to_make_progress() {
        let (mut slots, a) = (Slots::new(0), plugin("a"));
        let one = Applicant {
            share: 0,
            ..applicant(&a, 0)
        };
        assert!(slots.admits(&one));
        slots.started(&a);
        assert!(!slots.admits(&one) && slots.are_taken());
        slots.ended(&a);
        assert!(slots.admits(&one));
    }

    #[test]
    fn suspects_get_half_of_the_share_and_one_call_each_while_failing() {
        let (slots, a) = (Slots::new(32), plugin("a"));
        let failing = |running, suspects| Applicant {
            failing: true,
            suspects,
            ..applicant(&a, running)
        };
        assert!(slots.admits(&failing(0, 7)));
        assert!(!slots.admits(&failing(1, 1)));
        assert!(!slots.admits(&failing(0, 8)));
        assert!(slots.admits(&Applicant {
            slow: true,
            suspects: 3,
            ..applicant(&a, 3)
        }));
        assert!(!slots.admits(&Applicant {
            slow: true,
            suspects: 8,
            ..applicant(&a, 3)
        }));
    }
}
