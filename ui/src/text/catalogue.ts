// The catalogue of texts: one folder per area with en.ts, which is the type, and
// ko.ts, which must have the same keys. A feature's texts are in its own chunk.

import { particle, particlePattern } from "./particles";

/** A text, or one by number; "{name}" in it is replaced. */
export type Text = string | { one?: string; other: string };
/** All texts of an area. */
export type Texts = Record<string, Text>;
/** What a translation must have: the same keys. */
export type Like<T extends Texts> = { [K in keyof T]: Text };
/** Values for the places in braces. `n` chooses the plural, and is written as a number of the language. */
export type Values = Record<string, string | number>;

export const languages = ["en", "ko"] as const;
export type Language = (typeof languages)[number];
const storeKey = "runsheet.language";

function stored(): string | null {
  try {
    return localStorage.getItem(storeKey);
  } catch {
    return null; // no storage: the browser's language
  }
}

function choose(): Language {
  const wanted = typeof navigator === "undefined" ? [] : navigator.languages;
  for (const w of [stored(), ...wanted]) {
    const found = languages.find((l) => w?.toLowerCase().split("-")[0] === l);
    if (found) return found;
  }
  return "en";
}

/** The language of this page, for its whole life. */
export const language: Language = choose();

/** Stores the choice and loads the page anew; null = as the browser says. */
export function setLanguage(l: Language | null): void {
  if (l) localStorage.setItem(storeKey, l);
  else localStorage.removeItem(storeKey);
  location.reload();
}

const plural = new Intl.PluralRules(language);
const number = new Intl.NumberFormat(language);

const places = new RegExp(`\\{(\\w+)\\}(${particlePattern})?`, "g");

/** Fills the places of a text. A Korean particle behind one is that of the word. */
export function fill(text: Text, values: Values = {}): string {
  let pattern = text;
  if (typeof pattern !== "string") {
    const n = Number(values.n ?? 0);
    pattern = (plural.select(n) === "one" && pattern.one) || pattern.other;
  }
  return pattern.replace(places, (all, key: string, pair?: string) => {
    const v = values[key];
    if (v === undefined) return all;
    const word = typeof v === "number" ? number.format(v) : v;
    return pair ? word + particle(word, pair) : word;
  });
}

/** Makes the function that gives an area's texts: t("key", { n: 3 }). */
export function catalogue<T extends Texts>(en: T, ko: Like<T>): (key: keyof T & string, values?: Values) => string {
  const texts: Like<T> = language === "ko" ? ko : en;
  return (key, values) => fill(texts[key], values);
}
