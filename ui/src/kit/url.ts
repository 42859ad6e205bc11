// The URL holds what a page shows: filters, sort, tab, open drawer.
import { useNavigate, useSearch, useParams } from "@tanstack/react-router";
import { useCallback, useMemo } from "react";

/** Reads one value of the URL; what it cannot use becomes its default. */
export interface Param<T> {
  read(text: string | undefined): T;
  /** undefined = leave it out. */
  write(value: T): string | undefined;
}

/** A text, "" by default. */
export const text: Param<string> = { read: (v) => v ?? "", write: (v) => v || undefined };

/** One of several words; the first is the default and is not written. */
export function oneOf<const T extends string>(...words: readonly [T, ...T[]]): Param<T> {
  return { read: (v) => words.find((w) => w === v) ?? words[0], write: (v) => (v === words[0] ? undefined : v) };
}

/** A list of words, by commas. */
export const list: Param<readonly string[]> = { read: (v) => (v ? v.split(",") : []), write: (v) => (v.length > 0 ? v.join(",") : undefined) };

/** A whole number. */
export function whole(byDefault: number): Param<number> {
  return { read: (v) => (v && /^-?\d{1,15}$/.test(v) ? Number(v) : byDefault), write: (v) => (v === byDefault ? undefined : String(v)) };
}

/** On or off; off is not written. */
export const flag: Param<boolean> = { read: (v) => v === "1", write: (v) => (v ? "1" : undefined) };

type Shape = Record<string, Param<unknown>>;
type Values<S extends Shape> = { [K in keyof S]: S[K] extends Param<infer T> ? T : never };

/**
 * The values of the URL that a page uses, and how to change some of them. Keep the
 * shape outside of the component. A change is a step of the history unless replace is
 * true, as for typing in a search field. Names of others stay.
 */
export function useUrl<S extends Shape>(shape: S): [Values<S>, (change: Partial<Values<S>>, replace?: boolean) => void] {
  const search = useSearch({ strict: false }) as Record<string, string | undefined>;
  const navigate = useNavigate();
  const values = useMemo(() => Object.fromEntries(Object.entries(shape).map(([k, p]) => [k, p.read(search[k])])) as Values<S>, [shape, search]);
  const change = useCallback(
    (next: Partial<Values<S>>, replace = false) => {
      const write = (old: Record<string, unknown>) => ({ ...old, ...Object.fromEntries(Object.entries(next).map(([k, v]) => [k, shape[k]?.write(v)])) });
      void navigate({ to: ".", search: write as never, replace, resetScroll: false });
    },
    [navigate, shape],
  );
  return [values, change];
}

/** The id in the page's path. */
export function useRouteId(): string {
  return (useParams({ strict: false }) as { id?: string }).id ?? "";
}
