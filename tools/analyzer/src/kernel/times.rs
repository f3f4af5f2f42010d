//! Arithmetic of times: lists of intervals, each from one time to another after it, in ns since 1970.

/// Intervals. Functions return them ascending and apart.
pub type Times = Vec<(i64, i64)>;

/// Returns intervals that may overlap as intervals that are apart.
#[must_use]
pub fn joined(mut times: Times) -> Times {
    times.retain(|(from, until)| from < until);
    times.sort_unstable();
    let mut found: Times = Vec::new();
    for (from, until) in times {
        match found.last_mut() {
            Some((_, last)) if from <= *last => *last = until.max(*last),
            Some(_) | None => found.push((from, until)),
        }
    }
    found
}

/// Returns intervals without others, both ascending and apart.
#[must_use]
pub fn less(times: &[(i64, i64)], others: &[(i64, i64)]) -> Times {
    let mut found = Vec::new();
    for (mut from, until) in times.iter().copied() {
        let first = others.partition_point(|(_, end)| *end <= from);
        for (begin, end) in others[first..].iter().copied().take_while(|(begin, _)| *begin < until)
        {
            if from < begin {
                found.push((from, begin));
            }
            from = from.max(end);
        }
        if from < until {
            found.push((from, until));
        }
    }
    found
}

/// Returns what intervals and others have in common, both ascending and apart.
#[must_use]
pub fn common(times: &[(i64, i64)], others: &[(i64, i64)]) -> Times {
    let mut found = Vec::new();
    for (from, until) in times.iter().copied() {
        let first = others.partition_point(|(_, end)| *end <= from);
        let within = others[first..].iter().take_while(|(begin, _)| *begin < until);
        found.extend(within.map(|(begin, end)| (from.max(*begin), until.min(*end))));
    }
    found
}

/// Returns how long intervals that are apart last in all, in ns.
#[must_use]
pub fn length(times: &[(i64, i64)]) -> u64 {
    times.iter().map(|(from, until)| until.abs_diff(*from)).sum()
}

/// Returns whether a time is in one of the intervals; the end of one is not in it.
#[must_use]
pub fn has(times: &[(i64, i64)], time: i64) -> bool {
    times.iter().any(|(from, until)| (*from..*until).contains(&time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_joined_taken_out_and_cut() {
        assert_eq!(joined(vec![(5, 7), (1, 3), (3, 4), (6, 9), (8, 8)]), [(1, 4), (5, 9)]);
        let times = vec![(0, 10), (20, 30), (40, 50)];
        for (others, left, both) in [
            (
                vec![(2, 3), (5, 6)],
                vec![(0, 2), (3, 5), (6, 10), (20, 30), (40, 50)],
                vec![(2, 3), (5, 6)],
            ),
            (vec![(8, 45)], vec![(0, 8), (45, 50)], vec![(8, 10), (20, 30), (40, 45)]),
            (vec![(0, 50)], vec![], times.clone()),
            (vec![(10, 20)], times.clone(), vec![]),
            (vec![], times.clone(), vec![]),
        ] {
            assert_eq!(less(&times, &others), left, "{others:?}");
            assert_eq!(common(&times, &others), both, "{others:?}");
            assert_eq!(common(&others, &times), both, "{others:?}");
            assert_eq!(length(&left) + length(&both), length(&times), "{others:?}");
        }
        let (one, two) = ([(0, 4), (6, 10), (12, 13)], [(1, 2), (3, 7), (9, 20)]);
        let both = [(1, 2), (3, 4), (6, 7), (9, 10), (12, 13)];
        assert_eq!((common(&one, &two), length(&both)), (both.to_vec(), 5));
        assert!(has(&both, 1) && !has(&both, 2) && has(&both, 3));
    }
}
