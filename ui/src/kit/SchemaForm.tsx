import { Plus, X } from "lucide-react";
import { useEffect, useId, useRef, useState, type KeyboardEvent, type ReactNode } from "react";
import { Exact, parse, stringify } from "../api/exact";
import { t } from "../text/kit";
import { Button, IconButton } from "./Button";
import { joinCommand } from "./command";
import { CommandField } from "./CommandField";
import { withOwn, type Option } from "./control";
import { CheckBox, Combobox, Field, Input, Select, TextArea } from "./Field";
import { initial, isRecord, kindOf, optionText, titleOf, Unread, type JsonSchema } from "./schema";

export interface SchemaFormProps {
  /** A JSON Schema of type object. What it cannot express as controls is edited as JSON text, per field. */
  schema: JsonSchema;
  value: Record<string, unknown>;
  onChange: (value: Record<string, unknown>) => void;
  /** By JSON pointer, such as "/model/name": from check() in schema.ts, or from a Problem. */
  errors?: Readonly<Record<string, string>>;
  /** What may be chosen for a text, by its format in the schema. */
  choices?: Choices;
}

type Choices = Readonly<Record<string, readonly Option[]>>;

/** A form made from a JSON Schema. Numbers keep all their digits (api/exact.ts). Send its value with the api client, which writes them as they are. */
export function SchemaForm({ errors = {}, choices = {}, ...rest }: SchemaFormProps) {
  return <ObjectFields {...rest} errors={errors} choices={choices} pointer="" />;
}

interface PartProps<T> {
  schema: JsonSchema;
  value: T;
  onChange: (v: T) => void;
  errors: Readonly<Record<string, string>>;
  choices: Choices;
  pointer: string;
}

function without(o: Record<string, unknown>, key: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(o).filter(([k]) => k !== key));
}

function ObjectFields({ schema, value, onChange, pointer, ...rest }: PartProps<Record<string, unknown>>) {
  return (
    <div className="flex flex-col gap-4">
      {Object.entries(schema.properties ?? {}).map(([name, part]) => (
        <Part
          key={name} name={name} schema={part} required={schema.required?.includes(name) ?? false} value={value[name]} {...rest} pointer={`${pointer}/${name}`}
          onChange={(v) => onChange(v === undefined ? without(value, name) : { ...value, [name]: v })}
        />
      ))}
    </div>
  );
}

function Part({ name, required, ...rest }: PartProps<unknown> & { name: string; required: boolean }) {
  const { schema, value, onChange, errors, choices, pointer } = rest;
  const offered = schema.format ? choices[schema.format] : undefined;
  const label = titleOf(schema, name);
  const kind = kindOf(schema);
  const field = { label, hint: schema.description, error: errors[pointer], optional: !required };
  switch (kind) {
    case "choice": {
      const options = (schema.enum ?? []).map((v) => ({ value: stringify(v), label: optionText(v) }));
      const all = required ? options : [{ value: "", label: "–" }, ...options];
      return <Field {...field}>{(ids) => <Select {...ids} options={all} value={value === undefined ? "" : stringify(value)} onChange={(v) => onChange(v === "" ? undefined : parse(v))} />}</Field>;
    }
    case "boolean":
      return (
        <div className="flex flex-col gap-1">
          <CheckBox label={label} checked={value === true} onChange={onChange} />
          {schema.description ? <p className="pl-6 text-xs text-faint">{schema.description}</p> : null}
          {errors[pointer] ? <p data-error className="pl-6 text-xs text-bad">{errors[pointer]}</p> : null}
        </div>
      );
    case "text":
      if (offered) return <Field {...field}>{(ids) => <Combobox {...ids} value={asText(value)} onChange={(v) => onChange(v || (required ? "" : undefined))} options={withOwn(asText(value), offered)} />}</Field>;
      return <Field {...field}>{(ids) => (schema.format === "textarea" || (schema.maxLength ?? 0) > 300 ? <TextArea {...ids} value={asText(value)} onChange={(e) => onChange(e.target.value || (required ? "" : undefined))} /> : <Input {...ids} value={asText(value)} onChange={(e) => onChange(e.target.value || (required ? "" : undefined))} />)}</Field>;
    case "number":
      return <NumberField {...rest} field={field} />;
    case "command": {
      const wrong = errors[pointer] ?? errors[Object.keys(errors).find((p) => p.startsWith(`${pointer}/`)) ?? ""];
      const text = value instanceof Unread ? value.text : Array.isArray(value) ? joinCommand(value.map(asText)) : "";
      return <CommandField {...field} error={wrong} text={text} onChange={(line, argv) => onChange(argv ? (argv.length > 0 ? argv : undefined) : new Unread(line, t("openQuote")))} />;
    }
    case "list":
      return <ListField {...rest} field={field} />;
    case "object":
      return (
        <Group label={label} hint={schema.description} error={errors[pointer]}>
          <ObjectFields {...rest} value={isRecord(value) ? value : {}} onChange={onChange} />
        </Group>
      );
    case "json":
      return <JsonField {...rest} field={field} />;
  }
}

function asText(v: unknown): string {
  return typeof v === "string" ? v : v === undefined || v === null ? "" : v instanceof Exact ? v.text : String(v);
}

function Group({ label, hint, error, children }: { label: string; hint?: string | undefined; error?: string | undefined; children: ReactNode }) {
  return (
    <fieldset data-wrong={error ? "" : undefined} className="border-l-2 border-line pl-4">
      <legend className="-ml-4 text-sm font-medium">{label}</legend>
      {hint ? <p className="text-xs text-faint">{hint}</p> : null}
      {error ? <p data-error className="text-xs text-bad">{error}</p> : null}
      <div className="mt-2">{children}</div>
    </fieldset>
  );
}

interface FieldInfo { label: string; hint: string | undefined; error: string | undefined; optional: boolean }

// The text is kept as typed; the value is the number with all its digits, or the
// text itself while it is no number, which check() then refuses.
function NumberField({ value, onChange, field }: PartProps<unknown> & { field: FieldInfo }) {
  const [text, setText] = useState(() => asText(value));
  const change = (next: string) => {
    setText(next);
    const bare = next.trim();
    if (bare === "") onChange(undefined);
    else if (/^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(bare)) onChange(String(Number(bare)) === bare ? Number(bare) : new Exact(bare));
    else onChange(bare);
  };
  return <Field {...field}>{(ids) => <Input {...ids} inputMode="decimal" autoComplete="off" value={text} onChange={(e) => change(e.target.value)} />}</Field>;
}

function JsonField({ value, onChange, field }: PartProps<unknown> & { field: FieldInfo }) {
  const [text, setText] = useState(() => (value === undefined ? "" : value instanceof Unread ? value.text : stringify(value, 2)));
  const wrong = value instanceof Unread ? value.why : "";
  const change = (next: string) => {
    setText(next);
    try {
      onChange(next.trim() === "" ? undefined : parse(next));
    } catch (e) {
      onChange(new Unread(next, t("notJson", { why: e instanceof Error ? e.message : "" })));
    }
  };
  return <Field {...field} label={`${field.label} (${t("asJson")})`} error={wrong || field.error}>{(ids) => <TextArea {...ids} mono spellCheck={false} value={text} onChange={(e) => change(e.target.value)} />}</Field>;
}

function ListField({ schema, value, onChange, pointer, field, ...rest }: PartProps<unknown> & { field: FieldInfo }) {
  const base = useId();
  const list = useRef<HTMLUListElement>(null);
  const added = useRef(-1);
  const item = schema.items ?? {};
  const texts = kindOf(item) === "text";
  const given = Array.isArray(value) ? (value as unknown[]) : [];
  // A list of texts that must be there begins with a row; it is no value before it is written.
  const items = given.length === 0 && texts && !field.optional ? [""] : given;
  const n = items.length;
  useEffect(() => {
    if (added.current < 0) return;
    list.current?.children[added.current]?.querySelector<HTMLElement>("input, textarea, select, button")?.focus();
    added.current = -1;
  }, [n]);
  const add = (at: number) => {
    added.current = at;
    onChange([...items.slice(0, at), initial(item), ...items.slice(at)]);
  };
  // Enter in a text makes the next row; in an empty one it does nothing.
  const onKeyDown = (e: KeyboardEvent<HTMLUListElement>) => {
    if (!texts || e.key !== "Enter" || e.nativeEvent.isComposing || !(e.target instanceof HTMLInputElement)) return;
    e.preventDefault();
    const at = [...e.currentTarget.children].findIndex((row) => row.contains(e.target as Node));
    if (e.target.value !== "") add(at + 1);
  };
  return (
    <Group label={field.label} hint={field.hint} error={field.error}>
      {/* Enter only saves the way to the button below. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions */}
      <ul ref={list} onKeyDown={onKeyDown} className="flex flex-col gap-2">
        {items.map((v, i) => (
          <li key={`${base}${items.length}${i}`} className="flex items-end gap-1">
            <div className="min-w-0 grow">
              <Part name={t("item", { n: i + 1 })} required schema={item} value={v} {...rest} pointer={`${pointer}/${i}`} onChange={(next) => onChange(items.map((old, at) => (at === i ? next : old)))} />
            </div>
            {given.length === 0 ? null : <IconButton icon={X} label={t("removeItem", { n: i + 1 })} onClick={() => onChange(items.length === 1 && field.optional ? undefined : items.filter((_, at) => at !== i))} />}
          </li>
        ))}
      </ul>
      <Button small look="ghost" icon={Plus} className="mt-1 -ml-2" onClick={() => add(n)}>{t("addItem")}</Button>
    </Group>
  );
}
