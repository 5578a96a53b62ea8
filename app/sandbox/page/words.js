// The words of the page: one file per language, with {places} to fill in and one text for each plural form.

/** The shopper's language if it is one of these options, else the first one. */
export function preferredLanguage(options) {
  const spoken = [...options].map(({ value }) => value);
  return navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => spoken.includes(tag)) ?? spoken[0];
}

/** Texts, amounts and times in one language. `say` answers undefined where there is no such text. */
export async function wordsOf(language) {
  const texts = await (await fetch(new URL(`words/${language}.json`, import.meta.url))).json();
  const plural = new Intl.PluralRules(language);
  const say = (key, values = {}) => {
    const found = key.split(".").reduce((part, name) => part?.[name], texts);
    const text = typeof found === "object" ? found[plural.select(values.count)] ?? found.other : found;
    return text?.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  };
  // With the shopper's region, so that times look as they do elsewhere on the device.
  return { language, say, ...formats(navigator.languages.find((tag) => tag.startsWith(language)) ?? language) };
}

function formats(locale) {
  const time = (options) => (moment, zone) =>
    new Intl.DateTimeFormat(locale, { ...options, timeZone: zone ?? undefined }).format(new Date(moment));
  return {
    /** An amount with its currency, where that is known. */
    money: ({ amount, currency }) => new Intl.NumberFormat(locale, currency
      ? { style: "currency", currency } : { minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(amount),
    metres: (metres) => (metres < 1000
      ? new Intl.NumberFormat(locale, { style: "unit", unit: "meter" }).format(metres)
      : new Intl.NumberFormat(locale, { style: "unit", unit: "kilometer", maximumFractionDigits: 1 }).format(metres / 1000)),
    clock: time({ weekday: "short", hour: "2-digit", minute: "2-digit" }),
    moment: time({ weekday: "short", day: "numeric", month: "long", hour: "2-digit", minute: "2-digit" }),
    day: time({ weekday: "long", day: "numeric", month: "long" }),
    weekday: (number) => time({ weekday: "long" })(Date.UTC(2024, 0, number), "UTC"),
    list: (texts) => new Intl.ListFormat(locale).format(texts),
  };
}
