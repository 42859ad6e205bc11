import { Tabs as Base } from "@base-ui/react/tabs";
import type { ReactNode } from "react";

export interface Tab {
  id: string;
  label: string;
  /** A number beside the label. */
  count?: number | undefined;
  content: ReactNode;
}

/** Tabs; which one is open belongs into the URL (see useUrl). */
export function Tabs({ tabs, value, onChange }: { tabs: readonly Tab[]; value: string; onChange: (id: string) => void }) {
  return (
    <Base.Root value={value} onValueChange={(v) => onChange(String(v))}>
      <Base.List className="relative flex gap-1 overflow-x-auto border-b border-line">
        {tabs.map((tab) => (
          <Base.Tab key={tab.id} value={tab.id} className="target h-9 shrink-0 border-b-2 border-transparent px-3 text-sm text-dim hover:text-fg data-active:border-accent data-active:font-medium data-active:text-fg">
            {tab.label}
            {tab.count === undefined ? null : <span className="ml-1.5 rounded-full bg-press px-1.5 text-xs text-dim">{tab.count}</span>}
          </Base.Tab>
        ))}
      </Base.List>
      {tabs.map((tab) => (
        <Base.Panel key={tab.id} value={tab.id} className="pt-4 outline-none">{tab.content}</Base.Panel>
      ))}
    </Base.Root>
  );
}
