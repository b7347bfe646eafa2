//! Counts the due work that is under way. Each organization and each receiver may have only a few items under
//! way at once, so that a receiver that hangs does not delay everybody.

use crate::id::OrganizationId;
use std::{collections::HashMap, hash::Hash};

/// Maximum number of items under way altogether.
const AT_ONCE: usize = 16;
/// Maximum number of items of one organization in one take. With two takes, at most four are under way.
pub(super) const OF_ORGANIZATION: usize = 2;
/// Maximum number of items for one receiver in one take. With two takes, at most eight are under way, since
/// organizations may share a receiver.
pub(super) const TO_RECEIVER: usize = 4;

/// The number of items under way, by organization and by receiver.
#[derive(Default)]
pub(super) struct UnderWay {
    organizations: HashMap<OrganizationId, usize>,
    receivers: HashMap<String, usize>,
    all: usize,
}

impl UnderWay {
    /// How many more items may begin.
    pub(super) fn free(&self) -> usize {
        AT_ONCE.saturating_sub(self.all)
    }

    /// Counts an item that begins.
    pub(super) fn begin(&mut self, organization: &OrganizationId, receiver: &str) {
        self.all += 1;
        *self.organizations.entry(organization.clone()).or_default() += 1;
        *self.receivers.entry(receiver.to_owned()).or_default() += 1;
    }

    /// Counts an item that ends. It must have begun.
    pub(super) fn end(&mut self, organization: &OrganizationId, receiver: &str) {
        self.all -= 1;
        one_less(&mut self.organizations, organization);
        one_less(&mut self.receivers, receiver);
    }

    /// Organizations of which no further items may be taken for now.
    pub(super) fn busy_organizations(&self) -> Vec<&OrganizationId> {
        busy(&self.organizations, OF_ORGANIZATION)
    }

    /// Receivers for which no further items may be taken for now.
    pub(super) fn busy_receivers(&self) -> Vec<&str> {
        busy(&self.receivers, TO_RECEIVER)
            .into_iter()
            .map(String::as_str)
            .collect()
    }
}

/// The keys for which another take could exceed the limit of two takes.
fn busy<K>(counts: &HashMap<K, usize>, take: usize) -> Vec<&K> {
    let full = counts.iter().filter(|(_, count)| **count > take);
    full.map(|(key, _)| key).collect()
}

fn one_less<K, Q>(counts: &mut HashMap<K, usize>, key: &Q)
where
    K: Hash + Eq + std::borrow::Borrow<Q>,
    Q: Hash + Eq + ?Sized,
{
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_organization_is_busy_while_another_take_could_be_too_many() {
        let org = OrganizationId::parse("a").unwrap();
        let mut under_way = UnderWay::default();
        for _ in 0..OF_ORGANIZATION {
            under_way.begin(&org, "r");
        }
        assert!(under_way.busy_organizations().is_empty());
        under_way.begin(&org, "r");
        assert_eq!(under_way.busy_organizations(), [&org]);
        assert!(under_way.busy_receivers().is_empty());
        for _ in 0..2 {
            under_way.begin(&org, "r");
        }
        assert_eq!(under_way.busy_receivers(), ["r"]);
        for _ in 0..5 {
            under_way.end(&org, "r");
        }
        assert!(under_way.busy_organizations().is_empty() && under_way.organizations.is_empty());
        assert_eq!(under_way.free(), AT_ONCE);
    }
}
