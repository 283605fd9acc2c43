//! Changes to inputs.

/// Numbers that look random and are the same for the same seed.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`; 0 where that is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % end).unwrap_or_default()
    }
}

/// What is put into inputs, beside parts of others.
const WORDS: &[&str] = &[
    "\n",
    "\n  ",
    "- ",
    ": ",
    "{}",
    "[]",
    "[{}]",
    "null",
    "~",
    "0",
    "-1",
    "65535",
    "65536",
    "1e9",
    "\"",
    "'",
    "&a ",
    "*a",
    "#",
    "|\n",
    "---\n",
    "$",
    ".*",
    "(",
    ")",
    "[^/]",
    "{1000}",
    "0.0.0.0/0",
    "10.0.0.0/8",
    "::/0",
    "203.0.113.7",
    "\u{e9}",
    "\u{0}",
    "ingress: ",
    "egress: ",
    "ingressDeny: ",
    "fromEndpoints: ",
    "toPorts: ",
    "from: ",
    "to: ",
    "ports: ",
    "except: ",
    "endPort: ",
    "action: Pass",
    "tier: Admin",
    "domainNames: [a.com]",
    "toEntities: [world]",
    "fromCIDR: ",
    "toServices: ",
    "matchExpressions: ",
];

/// The longest input.
const MAX: usize = 8 * 1024;

/// A changed copy of `parent`, with parts of `other` perhaps.
pub(crate) fn mutate(parent: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut input = parent.to_vec();
    for _ in 0..=random.below(6) {
        let at = random.below(input.len() + 1);
        match random.below(7) {
            0 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            1 => drop(input.splice(at..at, word(random).bytes())),
            2 => {
                let end = (at + 1 + random.below(16)).min(input.len());
                drop(input.drain(at..end));
            }
            3 => drop(input.splice(at..at, part(parent, random))),
            4 => drop(input.splice(at..at, part(other, random))),
            5 => {
                let end = (at + random.below(24)).min(input.len());
                drop(input.splice(at..end, part(other, random)));
            }
            _ => {
                let end = (at + random.below(12)).min(input.len());
                drop(input.splice(at..end, word(random).bytes()));
            }
        }
    }
    input.truncate(MAX);
    input
}

fn word(random: &mut Random) -> &'static str {
    WORDS.get(random.below(WORDS.len())).copied().unwrap_or_default()
}

fn part(of: &[u8], random: &mut Random) -> Vec<u8> {
    let first = random.below(of.len());
    let longest = 1 << random.below(9);
    let length = 1 + random.below(longest);
    of.iter().skip(first).take(length).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_stay_short_and_change() {
        let mut random = Random::new(7);
        let mut input = b"a: b\n".to_vec();
        for _ in 0..10_000 {
            let next = mutate(&input, b"other: part\n", &mut random);
            assert!(next.len() <= MAX);
            input = next;
        }
        assert_ne!(input, b"a: b\n");
    }
}
