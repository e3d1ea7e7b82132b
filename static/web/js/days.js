// Grouping by day, the way people speak of days.

const DAY_MS = 86_400_000;

/**
 * @param {Date} date
 * @param {Date} now
 * @returns {string} the heading under which something of `date` is listed
 */
export function dayLabel(date, now = new Date()) {
  const start = new Date(now.getFullYear(), now.getMonth(), now.getDate());
  const days = Math.ceil((start - date) / DAY_MS);
  if (days <= 0) return "Today";
  if (days === 1) return "Yesterday";
  if (days <= 7) return "Last 7 days";
  if (days <= 30) return "Last 30 days";
  return date.toLocaleDateString(undefined, { month: "long", year: "numeric" });
}

/** @returns `[label, items]` pairs, newest first */
export function groupByDay(items, now = new Date()) {
  const sorted = [...items].sort((a, b) => (a.updated_at < b.updated_at ? 1 : -1));
  const groups = new Map();
  for (const item of sorted) {
    const label = dayLabel(new Date(item.updated_at), now);
    if (!groups.has(label)) groups.set(label, []);
    groups.get(label).push(item);
  }
  return [...groups];
}
