// Money as the server counts it, for people.

/** Millionths of a US dollar as dollars, with as many places as a small amount needs. */
export function money(micros: number, lang = 'en'): string {
  return (micros / 1e6).toLocaleString(lang, { style: 'currency', currency: 'USD', maximumFractionDigits: 6 });
}
