// Opening hours of a service point: read, and compared with the clock on its wall.

const DAY = 24 * 60;
const WEEK = 7 * DAY;
const HOURS = /^([01]\d|2[0-3]):([0-5]\d) - (([01]\d|2[0-3]):([0-5]\d)|24:00)$/;
const WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const ZONES = { NL: "Europe/Amsterdam", BE: "Europe/Brussels", DE: "Europe/Berlin", FR: "Europe/Paris" };
const clocks = new Map();
const calendars = new Map();

export const zoneOf = (country) => ZONES[country] ?? null;

export function intervals(times) {
  const found = [];
  for (const [day, values] of Object.entries(times ?? {})) {
    for (const value of values) {
      if (!HOURS.test(value)) continue;
      const [opens, closes] = value.split(" - ");
      found.push({ weekday: Number(day) + 1, opens, closes });
    }
  }
  return found.sort((a, b) => a.weekday - b.weekday || a.opens.localeCompare(b.opens));
}

/** The weekdays that are missing, or have hours that cannot be read. */
export function unknownWeekdays(times) {
  const isUnknown = (day) => !times?.[day - 1]?.every((value) => HOURS.test(value));
  return [1, 2, 3, 4, 5, 6, 7].filter(isUnknown);
}

/** Whether it is open at this moment (milliseconds), and when that changes. */
export function opening(hours, zone, moment) {
  const start = Math.floor(moment / 60_000) * 60_000;
  const { minuteOfWeek, offset } = onTheWall(zone, start);
  const stretches = [];
  for (const { weekday, opens, closes } of hours) {
    const [from, to] = [(weekday - 1) * DAY + minutes(opens), (weekday - 1) * DAY + minutes(closes)];
    for (const shift of [-WEEK, 0, WEEK]) {
      const [first, last] = [from + shift - minuteOfWeek, (to < from ? to + DAY : to) + shift - minuteOfWeek];
      if (last > 0) stretches.push([first, last]);
    }
  }
  if (!stretches.length) return { open_now: false, closes_at: null, next_open_at: null };
  stretches.sort((a, b) => a[0] - b[0]);
  const [first] = stretches;
  if (first[0] > 0) return { open_now: false, closes_at: null, next_open_at: local(start, first[0], offset) };
  let closes = first[1];
  for (const [from, to] of stretches) if (from <= closes) closes = Math.max(closes, to);
  return { open_now: true, closes_at: closes < WEEK ? local(start, closes, offset) : null, next_open_at: null };
}

/** The day that a calendar shows there so many days after this moment. */
export function dayThere(zone, moment, days = 0) {
  let calendar = calendars.get(zone);
  if (!calendar) {
    calendar = new Intl.DateTimeFormat("sv-SE", { timeZone: zone });
    calendars.set(zone, calendar);
  }
  const [year, month, day] = calendar.format(moment).split("-").map(Number);
  return new Date(Date.UTC(year, month - 1, day + days)).toISOString().slice(0, 10);
}

function minutes(time) {
  return Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
}

/** What the clock there shows: minutes since Monday, and minutes ahead of UTC. */
function onTheWall(zone, start) {
  let clock = clocks.get(zone);
  if (!clock) {
    const fields = { weekday: "short", hour: "2-digit", minute: "2-digit", timeZoneName: "longOffset" };
    clock = new Intl.DateTimeFormat("en-US", { timeZone: zone, hourCycle: "h23", ...fields });
    clocks.set(zone, clock);
  }
  const parts = Object.fromEntries(clock.formatToParts(start).map(({ type, value }) => [type, value]));
  const [, sign, hours, rest] = /GMT(?:([+-])(\d\d):(\d\d))?/.exec(parts.timeZoneName);
  const offset = sign ? (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(rest)) : 0;
  const minuteOfWeek = WEEKDAYS.indexOf(parts.weekday) * DAY + Number(parts.hour) * 60 + Number(parts.minute);
  return { minuteOfWeek, offset };
}

function local(start, ahead, offset) {
  const wall = new Date(start + (ahead + offset) * 60_000).toISOString().slice(0, 19);
  const [sign, size] = [offset < 0 ? "-" : "+", Math.abs(offset)];
  return `${wall}${sign}${String(Math.floor(size / 60)).padStart(2, "0")}:${String(size % 60).padStart(2, "0")}`;
}
