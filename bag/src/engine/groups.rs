//! A hash map that keeps its keys in the order in which they were first seen, and looks up a batch of them at a time.
//!
//! ```text
//!     keys ──hash──► hashes ──look up──► places ──compare──► values
//!                              │                    │
//!                    table: 8 bytes a key,     entries: (key, value),
//!                    part of its hash, place   in the order of first sight
//! ```
//! A look-up is mostly waiting for memory. Within each of these loops the look-ups of different keys do not depend on each other, so that
//! the processor waits for many at once. The hash has no random seed; nothing but speed depends on it.

use std::hash::{BuildHasher, Hash};

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use crate::error::Error;

/// Values by key, in the order in which the keys were first seen.
pub(crate) struct Groups<K, A> {
    table: HashTable<(u32, u32)>,
    entries: Vec<(K, A)>,
    hashes: Vec<u32>,
    places: Vec<u32>,
}

/// The place of a key that is not in the table, or was not when it was looked for.
const NOWHERE: u32 = u32::MAX;

/// A hash for the table, of the part of the hash that it keeps: its upper and its lower bits matter.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Both halves of the hash, folded: a multiplicative hash of round numbers has all its variety in one of them.
fn hash<K: Hash>(key: &K) -> u32 {
    let hash = FxBuildHasher.hash_one(key);
    (hash ^ (hash >> 32)) as u32
}

/// Which of `n` buckets a key belongs to: other bits of its hash than those the table goes by (the finish of MurmurHash3, by Austin Appleby).
pub(crate) fn bucket_of<K: Hash>(key: &K, n: usize) -> usize {
    let mut bits = hash(key);
    bits = (bits ^ (bits >> 16)).wrapping_mul(0x85eb_ca6b);
    bits = (bits ^ (bits >> 13)).wrapping_mul(0xc2b2_ae35);
    bits ^= bits >> 16;
    ((u64::from(bits) * n as u64) >> 32) as usize
}

impl<K: Hash + Eq, A> Groups<K, A> {
    pub(crate) fn with_capacity(n_keys: usize) -> Groups<K, A> {
        Groups { table: HashTable::with_capacity(n_keys), entries: Vec::with_capacity(n_keys), hashes: Vec::new(), places: Vec::new() }
    }

    /// Looks for a batch of keys.
    ///
    /// # Errors
    /// [`Error::TooManyKeys`], before places could run out.
    pub(crate) fn look_for<'k>(&mut self, keys: impl Iterator<Item = &'k K>) -> Result<(), Error>
    where
        K: 'k,
    {
        self.hashes.clear();
        self.hashes.extend(keys.map(hash));
        if self.entries.len() + self.hashes.len() >= NOWHERE as usize {
            return Err(Error::TooManyKeys { limit: NOWHERE as usize });
        }
        self.places.clear();
        let table = &self.table;
        self.places.extend(self.hashes.iter().map(|&hash| {
            let found = table.find(spread(hash), |(of_key, _)| *of_key == hash);
            found.map_or(NOWHERE, |(_, place)| *place)
        }));
        Ok(())
    }

    /// The value of key number `i` of the batch that was looked for, if it is there.
    pub(crate) fn found(&mut self, i: usize, key: &K) -> Option<&mut A> {
        let (hash, mut place) = (self.hashes[i], self.places[i] as usize);
        if self.entries.get(place).is_none_or(|(found, _)| found != key) {
            let entries = &self.entries;
            place = self.table.find(spread(hash), |(of_key, place)| *of_key == hash && entries[*place as usize].0 == *key)?.1 as usize;
        }
        Some(&mut self.entries[place].1)
    }

    /// Adds key number `i` of the batch, which was not found.
    pub(crate) fn insert_new(&mut self, i: usize, key: K, value: A) {
        let hash = self.hashes[i];
        self.table.insert_unique(spread(hash), (hash, self.entries.len() as u32), |(of_key, _)| spread(*of_key));
        self.entries.push((key, value));
    }

    /// Whether a key is there.
    pub(crate) fn has(&self, key: &K) -> bool {
        let hash = hash(key);
        self.table.find(spread(hash), |(of_key, place)| *of_key == hash && self.entries[*place as usize].0 == *key).is_some()
    }

    /// The key that was seen after `i` others, and its value.
    pub(crate) fn pair_mut(&mut self, i: usize) -> Option<(&K, &mut A)> {
        self.entries.get_mut(i).map(|(key, value)| (&*key, value))
    }

    /// All keys and values, first seen first.
    pub(crate) fn into_pairs(self) -> Vec<(K, A)> {
        self.entries
    }
}

impl<K: Hash + Eq, A> Default for Groups<K, A> {
    fn default() -> Groups<K, A> {
        Groups::with_capacity(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key whose hash says little, so that most keys share it.
    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Clash(u32);
    impl Hash for Clash {
        fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
            (self.0 % 3).hash(state);
        }
    }

    #[test]
    fn keys_that_share_a_hash_stay_apart() {
        let mut groups = Groups::<Clash, u32>::default();
        let keys: Vec<Clash> = (0..1000).map(|i| Clash(i * 7 % 90)).collect();
        for batch in keys.chunks(64) {
            groups.look_for(batch.iter()).unwrap();
            for (i, key) in batch.iter().enumerate() {
                match groups.found(i, key) {
                    Some(n) => *n += 1,
                    None => groups.insert_new(i, key.clone(), 1),
                }
            }
        }
        let pairs = groups.into_pairs();
        assert_eq!(pairs.len(), 90);
        assert!(pairs.iter().enumerate().all(|(i, (key, _))| *key == keys[i]), "first seen first");
        for (key, n) in pairs {
            assert_eq!(n, keys.iter().filter(|k| **k == key).count() as u32);
        }
    }

    #[test]
    fn buckets_fill_evenly_and_their_keys_still_spread_over_a_table() {
        for n in [2, 3, 16, 1000] {
            let mut lengths = vec![0u32; n];
            let keys: Vec<u64> = (0..100_000).map(|i| i * 1000).collect();
            keys.iter().for_each(|key| lengths[bucket_of(key, n)] += 1);
            let mean = 100_000 / n as u32;
            let (least, most) = (*lengths.iter().min().unwrap(), *lengths.iter().max().unwrap());
            assert!(most <= mean + mean / 2 && least >= mean / 2, "{n} buckets: {least} to {most}");
            // The seven top bits of the table's hash tell keys of a group apart; the low ones choose the group.
            let of_one: Vec<u64> = keys.into_iter().filter(|key| bucket_of(key, n) == 0).map(|key| spread(hash(&key))).collect();
            let mut groups = vec![0u32; 16];
            of_one.iter().for_each(|hash| groups[(hash % 16) as usize] += 1);
            let mean = of_one.len() as u32 / 16;
            assert!(mean < 20 || groups.iter().all(|&n| n <= 2 * mean && n >= mean / 2), "{n} buckets: {groups:?}");
        }
    }

    #[test]
    fn numbers_of_any_kind_spread_well() {
        let shares_a_hash = |keys: Vec<u64>| {
            let mut hashes: Vec<u32> = keys.iter().map(hash).collect();
            hashes.sort_unstable();
            hashes.dedup();
            keys.len() - hashes.len()
        };
        // Of 100,000 random hashes of 32 bits one or two are expected to be shared.
        for shift in [0, 1, 8, 16, 20, 24, 32, 40, 47] {
            let shared = shares_a_hash((0..100_000).map(|i| i << shift).collect());
            assert!(shared < 1000, "multiples of 2^{shift}: {shared} share a hash");
        }
        let floats = shares_a_hash((0..100_000).map(|i| f64::from(i).to_bits()).collect());
        assert!(floats < 1000, "floating-point numbers: {floats} share a hash");
        let tenths = shares_a_hash((0..100_000).map(|i| (f64::from(i) / 10.0).to_bits()).collect());
        assert!(tenths < 1000, "tenths: {tenths} share a hash");
    }
}
