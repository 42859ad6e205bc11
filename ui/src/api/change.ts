import { useMutation, useQueryClient, type UseMutationResult } from "@tanstack/react-query";
import { toast } from "../kit/toast";
import { toastError } from "../kit/Toasts";

export interface ChangeOptions<V, T> {
  /** First elements of the keys of what is old afterwards. */
  old?: readonly string[];
  /** What is said when it went well. */
  said?: string | ((data: T, value: V) => string);
  done?: (data: T, value: V) => void;
  /** A form shows what was refused; without, it is shown as a message. */
  form?: boolean;
}

/** A change by the API: says what became of it, and reads again what it made old. */
export function useChange<V = void, T = unknown>(run: (value: V) => Promise<T>, options: ChangeOptions<V, T> = {}): UseMutationResult<T, unknown, V> {
  const client = useQueryClient();
  return useMutation<T, unknown, V>({
    mutationFn: run,
    onSuccess: (data, value) => {
      const old = new Set(options.old ?? []);
      if (old.size > 0) void client.invalidateQueries({ predicate: (q) => old.has(String(q.queryKey[0])) });
      const said = typeof options.said === "function" ? options.said(data, value) : options.said;
      if (said) toast({ text: said });
      options.done?.(data, value);
    },
    onError: (e) => {
      if (!options.form) toastError(e);
    },
    // Values may be secrets: they are gone with the form.
    gcTime: 0,
  });
}

/** Headers of a change of fields, made only if the object is still as it was read. */
export function patchOf(version?: number): { "Content-Type": string; "If-Match"?: string } {
  return { "Content-Type": "application/merge-patch+json", ...(version === undefined ? {} : { "If-Match": `"${version}"` }) };
}
