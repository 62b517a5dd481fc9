//! Jaeger's remarks on clocks: a child on another host that does not lie within its parent has
//! another clock. Jaeger corrects that only when told to, and otherwise says by how much it would;
//! so does this.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use super::Seen;
use crate::query::duration;
use crate::render;
use crate::store::model::{Resource, SpanId, Value, find};

/// Adds the remarks to `spans`.
pub(super) fn remark(spans: &mut [Seen]) {
    let mut places: HashMap<SpanId, usize> = HashMap::new();
    for (place, seen) in spans.iter_mut().enumerate() {
        match places.entry(seen.id) {
            Entry::Occupied(_) => {
                let duplicate = "duplicate span IDs; skipping clock skew adjustment";
                seen.warnings.push(duplicate.into());
            }
            Entry::Vacant(free) => {
                free.insert(place);
            }
        }
    }
    let (roots, children) = tree(spans, &places);
    let hosts: Vec<String> = spans.iter().map(|seen| host(&seen.span.resource)).collect();
    let mut waiting: Vec<(usize, i64)> = roots.into_iter().map(|root| (root, 0)).collect();
    let mut done = HashSet::new();
    while let Some((parent, skew)) = waiting.pop() {
        if !done.insert(parent) {
            continue;
        }
        if skew != 0 {
            spans[parent].warnings.push(format!(
                "clock skew adjustment disabled; not applying calculated delta of {}",
                duration::format(skew)
            ));
        }
        for &child in children.get(&parent).into_iter().flatten() {
            let same_clock = hosts[child] == hosts[parent] && !hosts[child].is_empty();
            let skew = if same_clock { skew } else { delta(&spans[child], &spans[parent]) };
            waiting.push((child, skew));
        }
    }
}

/// The spans without a parent in the trace, and the children of each span.
fn tree(
    spans: &mut [Seen],
    places: &HashMap<SpanId, usize>,
) -> (Vec<usize>, HashMap<usize, Vec<usize>>) {
    let mut roots = Vec::new();
    let mut children: HashMap<usize, Vec<usize>> = HashMap::new();
    for (place, seen) in spans.iter_mut().enumerate() {
        if places.get(&seen.id) != Some(&place) {
            continue;
        }
        match (seen.parent, seen.parent.and_then(|parent| places.get(&parent))) {
            (_, Some(&parent)) => children.entry(parent).or_default().push(place),
            (None, _) => roots.push(place),
            (Some(parent), None) => {
                seen.warnings.push(format!(
                    "parent span ID={parent} is not in the trace; skipping clock skew adjustment"
                ));
                roots.push(place);
            }
        }
    }
    (roots, children)
}

/// What tells one host from another.
fn host(resource: &Resource) -> String {
    let of = |key| find(&resource.attributes, key);
    let text = |value: &Value| match value {
        Value::String(text) => text.to_string(),
        _ => String::new(),
    };
    if let Some(id) = of("host.id") {
        return text(id);
    }
    match of("host.ip") {
        Some(Value::Array(addresses)) if !addresses.is_empty() => {
            render::text(&addresses[0]).into_owned()
        }
        Some(Value::String(address)) => address.to_string(),
        _ => of("host.name").map(text).unwrap_or_default(),
    }
}

/// By how many nanoseconds the child would have to move to lie within its parent.
fn delta(child: &Seen, parent: &Seen) -> i64 {
    let (child_start, parent_start) = (i128::from(child.span.start), i128::from(parent.span.start));
    let (child_end, parent_end) = (i128::from(child.end), i128::from(parent.end));
    let (child_time, parent_time) = (child_end - child_start, parent_end - parent_start);
    let delta = if child_time > parent_time {
        (parent_start - child_start).max(0)
    } else if child_start >= parent_start && child_end <= parent_end {
        0
    } else {
        parent_start + (parent_time - child_time) / 2 - child_start
    };
    i64::try_from(delta).unwrap_or(i64::MAX)
}
