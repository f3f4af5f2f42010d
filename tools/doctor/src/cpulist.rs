//! Parses and prints sets of CPUs as the kernel writes them: lists (`0-3,8`) and masks
//! (`ff,ffffffff`).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Upper bound of CPU numbers. No kernel is built for more, so a list that names a higher one is
/// not a list of CPUs.
pub const CPUS_MAX: usize = 8_192;

/// A set of CPUs by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuList(BTreeSet<usize>);

impl CpuList {
    /// Parses a mask: hexadecimal digits in groups of 32 CPUs, separated by commas, the lowest
    /// group last.
    #[must_use]
    pub fn from_mask(text: &str) -> Option<CpuList> {
        let digits = text.trim().chars().rev().filter(|c| *c != ',');
        let mut cpus = BTreeSet::new();
        for (place, digit) in digits.enumerate() {
            let bits = digit.to_digit(16)?;
            cpus.extend((0..4).filter(|bit| bits >> bit & 1 == 1).map(|bit| place * 4 + bit));
        }
        cpus.last().is_none_or(|last| *last < CPUS_MAX).then_some(CpuList(cpus))
    }

    /// Returns the set as a mask in the form that [`CpuList::from_mask`] reads.
    #[must_use]
    pub fn mask(&self) -> String {
        let groups = self.0.last().map_or(1, |last| last / 32 + 1);
        let group = |number: usize| {
            let bits = (0..32).filter(|bit| self.0.contains(&(number * 32 + bit)));
            bits.fold(0_u32, |mask, bit| mask | 1 << bit)
        };
        let mut text = format!("{:x}", group(groups - 1));
        (0..groups - 1).rev().for_each(|number| text.push_str(&format!(",{:08x}", group(number))));
        text
    }

    /// Returns whether the set contains a CPU.
    #[must_use]
    pub fn contains(&self, cpu: usize) -> bool {
        self.0.contains(&cpu)
    }

    /// Iterates over the CPUs in ascending order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = usize> + ExactSizeIterator + '_ {
        self.0.iter().copied()
    }

    /// Returns the number of CPUs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the CPUs that both sets contain.
    #[must_use]
    pub fn and(&self, other: &CpuList) -> CpuList {
        CpuList(&self.0 & &other.0)
    }

    /// Returns the CPUs that the other set does not contain.
    #[must_use]
    pub fn without(&self, other: &CpuList) -> CpuList {
        CpuList(&self.0 - &other.0)
    }
}

impl FromIterator<usize> for CpuList {
    fn from_iter<I: IntoIterator<Item = usize>>(cpus: I) -> CpuList {
        CpuList(cpus.into_iter().collect())
    }
}

impl FromStr for CpuList {
    type Err = String;

    /// Parses `0-3,8`, also with strides: `0-7:1/2` is the first of every two CPUs. An empty text
    /// is the empty set.
    fn from_str(text: &str) -> Result<CpuList, String> {
        let mut cpus = BTreeSet::new();
        for part in text.trim().split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (first, last, used, group) = range(part)
                .ok_or_else(|| format!("{part:?} is not a list of CPUs such as 0-3,8"))?;
            cpus.extend((first..=last).filter(|cpu| (cpu - first) % group < used));
        }
        Ok(CpuList(cpus))
    }
}

/// Splits `first-last:used/group` into its numbers.
fn range(part: &str) -> Option<(usize, usize, usize, usize)> {
    let (span, stride) = part.split_once(':').unwrap_or((part, "1/1"));
    let (first, last) = span.split_once('-').unwrap_or((span, span));
    let (used, group) = stride.split_once('/')?;
    let numbers = (number(first)?, number(last)?, number(used)?, number(group)?);
    let (first, last, _, group) = numbers;
    (first <= last && last < CPUS_MAX && 0 < group).then_some(numbers)
}

/// Parses a number that consists of digits only, without sign or space.
fn number(text: &str) -> Option<usize> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

impl fmt::Display for CpuList {
    /// Writes the list as the kernel does; the empty set is an empty text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cpus = self.iter().peekable();
        let mut divider = "";
        while let Some(first) = cpus.next() {
            let mut last = first;
            while let Some(next) = cpus.next_if(|next| *next == last + 1) {
                last = next;
            }
            match last - first {
                0 => write!(f, "{divider}{first}")?,
                _ => write!(f, "{divider}{first}-{last}")?,
            }
            divider = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(text: &str) -> Vec<usize> {
        text.parse::<CpuList>().unwrap().iter().collect()
    }

    #[test]
    fn lists_are_read_as_the_kernel_writes_them() {
        assert_eq!(list("0-3,8\n"), [0, 1, 2, 3, 8]);
        assert_eq!(list("0-7:1/2"), [0, 2, 4, 6]);
        assert_eq!(list("0-7:2/4"), [0, 1, 4, 5]);
        assert_eq!(list(""), [0_usize; 0]);
        for wrong in ["3-1", "a", "1-", "-1", "1-2-3", "0-7:1", "0-7:1/0", "0-9999999999", "+1"] {
            assert!(wrong.parse::<CpuList>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn masks_are_read_and_written_in_groups() {
        assert_eq!(CpuList::from_mask("3").unwrap().to_string(), "0-1");
        assert_eq!(CpuList::from_mask("1,80000000").unwrap().to_string(), "31-32");
        assert_eq!("31-32".parse::<CpuList>().unwrap().mask(), "1,80000000");
        assert_eq!(CpuList::default().mask(), "0");
        assert_eq!(CpuList::from_mask("x"), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(cpus in prop::collection::btree_set(0..CPUS_MAX, 0..64)) {
            let cpus = CpuList(cpus);
            prop_assert_eq!(cpus.to_string().parse(), Ok(cpus.clone()));
            prop_assert_eq!(CpuList::from_mask(&cpus.mask()), Some(cpus));
        }

        #[test]
        fn no_text_ends_the_reader(text in "[-0-9,:/a-f ]{0,40}") {
            let (list, mask) = (text.parse::<CpuList>(), CpuList::from_mask(&text));
            prop_assert!(list.is_ok_and(|list| list.len() <= CPUS_MAX) || mask.is_none() || mask.is_some());
        }
    }
}
